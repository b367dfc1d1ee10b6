"""Forms as files: what was typed stays text; the same form is the same bytes; nothing is looked for outside."""

import asyncio
import io
import json
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docx
import pytest
import typst
from hypothesis import given, settings
from hypothesis import strategies as st

from kehu.printing import (
    Column,
    Field,
    Fields,
    Form,
    Format,
    FormTooLarge,
    Label,
    Printed,
    Room,
    Signatures,
    Table,
    Text,
    print_form,
    rendering,
)
from kehu.printing.forms import plain, shown, yuan
from kehu.printing.rendering import render

PRINTED = Printed(datetime(2026, 11, 25, 2, 30, tzinfo=UTC), "孙一 (sun)", ("01a21234-d7f5-7065-870d-000000000001",))
HOSTILE = [
    '#panic("injected")',
    '#import "@preview/x:0.1.0"',
    '#read("/etc/passwd")',
    "$ 1/0 $ *a* _b_ `c` <label> @ref \\ // /* ",
    "]}]} #set page(width: 1pt)",
    "{{ 7*7 }} {% for x in y %} {{ cycler.__init__.__globals__ }}",
    "{%tr endfor %}{%p endif %}",
    "<w:p/>&amp;</w:t> <!-- ]]>",
    "\x00\x0b\u202e\ufffe控制",
    "𠀀龘\U0010fffd😀ខ្មែរ",
    "\n\n\n",
    "a" * 500,
    "长" * 5_000,
]


def form(value: Any = "甲", *, landscape: bool = False) -> Form:
    """One of each block, with the value in every place that takes one."""
    return Form(
        "F4",
        Label("客户档案表", "Customer dossier"),
        str(value),
        (
            Fields(
                Label("基本情况", "Particulars"),
                [
                    Field(Label("名称", "Name"), value, wide=True),
                    Field(Label("性质", "Nature"), value),
                    Field(Label("空", "None"), None),
                ],
            ),
            Table(
                Label("联系人", "Contacts"),
                [Column(Label("姓名", "Name")), Column(Label("额", "Amount"), 2, right=True)],
                [[value, value]] * 3,
            ),
            Table(Label("空表", "Empty"), [Column(Label("姓名", "Name"))], []),
            Text(Label("备注", "Remarks"), str(value)),
            Signatures(Label("签章", "Signatures"), [Room(Label("经理", "Manager"), str(value), stamp=True)] * 3),
        ),
        replace(PRINTED, by=str(value)),
        landscape=landscape,
    )


def text_of(made: bytes) -> str:
    """All text of a docx, its footer included."""
    document = docx.Document(io.BytesIO(made))
    footer = "".join(paragraph.text for paragraph in document.sections[0].footer.paragraphs)
    return "".join(document.element.itertext()) + footer


def queried(value: str) -> list[Any]:
    """What typst itself makes of the template with this value: every text element of it."""
    data = json.dumps(plain(form(value)), ensure_ascii=False)
    compiler = typst.Compiler(
        (Path(rendering.__file__).parent / "templates" / "form.typ").read_bytes(), sys_inputs={"form": data}
    )
    return json.loads(compiler.query("heading"))


@pytest.mark.parametrize("landscape", [False, True])
@pytest.mark.parametrize("format_", Format)
def test_a_form_is_printed(format_: Format, landscape: bool) -> None:  # noqa: FBT001 - a parameter of the test
    made = render(form(landscape=landscape), format_)
    assert made.startswith(b"%PDF-" if format_ is Format.PDF else b"PK")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("format_", Format)
def test_what_was_typed_is_never_read_as_markup(format_: Format, value: str) -> None:
    assert render(form(value), format_)


@pytest.mark.parametrize("value", HOSTILE[:8])
def test_what_was_typed_stands_in_the_docx_as_it_was_typed(value: str) -> None:
    made = render(form(value), Format.DOCX)
    assert text_of(made).count(value) >= 6


def test_typst_sees_a_hostile_value_as_one_string() -> None:
    """A value that is markup where it is interpolated makes a heading; here none is made."""
    assert queried("= 标题") == queried("甲") == []


@given(st.text(max_size=200))
@settings(max_examples=25, deadline=None)
def test_no_text_whatever_keeps_a_form_from_being_printed(value: str) -> None:
    assert render(form(value), Format.PDF)
    assert render(form(value), Format.DOCX)


@pytest.mark.parametrize("format_", Format)
def test_the_same_form_is_the_same_bytes(format_: Format) -> None:
    assert render(form(), format_) == render(form(), format_)
    later = replace(form(), printed=replace(PRINTED, at=datetime(2026, 11, 26, tzinfo=UTC)))
    assert render(form(), format_) != render(later, format_)


def test_the_foot_says_when_by_whom_which_page_and_from_which_facts() -> None:
    made = render(form("甲"), Format.DOCX)
    text = text_of(made)
    assert "打印 Printed 2026-11-25 10:30 甲" in text
    assert PRINTED.facts[0] in text
    with zipfile.ZipFile(io.BytesIO(made)) as parts:
        footer = parts.read("word/footer1.xml").decode()
    assert {"PAGE", "NUMPAGES"} <= set(footer.replace("<", " ").replace(">", " ").split())
    assert "盖章" in text
    assert "签字" in text


def test_word_is_told_a_font_that_it_has() -> None:
    with zipfile.ZipFile(io.BytesIO(render(form(), Format.DOCX))) as parts:
        assert 'w:eastAsia="宋体"' in parts.read("word/styles.xml").decode()
        assert "SimSun" in parts.read("word/fontTable.xml").decode()


def test_the_font_has_what_names_and_addresses_are_written_with() -> None:
    fonts = rendering._fonts()
    assert fonts.families() == ["Noto Sans CJK SC"]
    size = sum(file.stat().st_size for file in rendering._folder("fonts").glob("*.otf"))
    assert size < 10_000_000
    assert (rendering._folder("fonts") / "OFL.txt").is_file()


def test_nothing_is_looked_for_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No home, no caches, no system fonts, no network: what a read-only container without any of them has."""
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "FONTCONFIG_PATH"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    assert render(form(), Format.PDF).startswith(b"%PDF-")
    assert list(tmp_path.iterdir()) == []


def test_more_than_can_be_printed_at_once_is_refused() -> None:
    with pytest.raises(FormTooLarge):
        render(form("长" * 200_000), Format.PDF)


async def test_printing_does_not_hold_up_other_requests() -> None:
    many = replace(form(), blocks=form().blocks * 40)
    printing = asyncio.create_task(print_form(many, Format.PDF))
    turns = 0
    while not printing.done():
        await asyncio.sleep(0)
        turns += 1
    assert (await printing).startswith(b"%PDF-")
    assert turns > 100


async def test_printing_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "TIMEOUT_SECONDS", 0.001)
    with pytest.raises(rendering.PrintingBusy):
        await print_form(replace(form(), blocks=form().blocks * 40), Format.PDF)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        ("", "—"),
        (True, "是 Yes"),
        (datetime(2026, 11, 24, 17, 0, tzinfo=UTC), "2026-11-25 01:00"),
        (datetime(2026, 11, 24, tzinfo=UTC).date(), "2026-11-24"),
        ("a\x00b\u202ec", "abc"),
        (yuan(123_456_789), "¥1,234,567.89"),
        (yuan(-1), "¥-0.01"),
        (yuan(None), "—"),
    ],
)
def test_values_are_shown_as_people_write_them(value: Any, text: str) -> None:
    assert shown(value) == text
