"""The channels against a server that speaks their providers' formats: rightly, wrongly, twice, late or not at all."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio

from kehu_notifier.channels.aliyun import AliyunSms
from kehu_notifier.channels.calling import provider_client
from kehu_notifier.channels.channel import (
    NO_TRACE,
    Accepted,
    Channel,
    Delivered,
    FailedForGood,
    Handed,
    Outcome,
    Outgoing,
    TryAgain,
    Unknown,
)
from kehu_notifier.channels.signing import Call, signed_headers
from kehu_notifier.channels.wecom import WeCom
from kehu_notifier.testing.provider import Asked, Provider, Reply, listening

KEY_ID, SECRET = "LTAI-test", "s3cret"
SENT_AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
OUTGOING = Outgoing(
    message="01936b1e-0000-7000-8000-000000000001",
    recipient="p-1",
    to="+8613800138000",
    text="【甲公司】尊敬的王小明：…",
    variables={"recipient_name": "王小明", "customer_name": "甲 & 乙+丙/*~"},
    provider_template="SMS_1",
)
HANDED = Handed(OUTGOING.message, OUTGOING.to, SENT_AT, "b-1")
OK_SENT = {"Code": "OK", "Message": "OK", "BizId": "b-1", "RequestId": "r"}


@pytest_asyncio.fixture(loop_scope="session")
async def provider() -> AsyncGenerator[Provider]:
    async with listening() as provider:
        yield provider


@pytest_asyncio.fixture(loop_scope="session")
async def client() -> AsyncGenerator[httpx2.AsyncClient]:
    async with provider_client(httpx2.Timeout(0.5)) as client:
        yield client


@pytest.fixture
def sms(client: httpx2.AsyncClient, provider: Provider) -> AliyunSms:
    return AliyunSms(client, provider.url, KEY_ID, SECRET, "甲公司")


@pytest.fixture
def wecom(client: httpx2.AsyncClient, provider: Provider) -> WeCom:
    return WeCom(client, provider.url, "corp", SECRET, 7)


# --- Aliyun ----------------------------------------------------------------------------------------------------------


def test_a_request_is_signed_as_in_the_example_of_aliyuns_documentation() -> None:
    call = Call(
        host="ecs.cn-shanghai.aliyuncs.com",
        action="RunInstances",
        version="2014-05-26",
        parameters={"RegionId": "cn-shanghai", "ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"},
        at=datetime(2023, 10, 26, 10, 22, 32, tzinfo=UTC),
        nonce="3156853299f313e23d1673dc12e1703d",
    )
    assert signed_headers(call, "YourAccessKeyId", "YourAccessKeySecret")["authorization"] == (
        "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,"
        "SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,"
        "Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    )


def signature_of(asked: Asked) -> str:
    """Worked out from what came over the wire, as Aliyun does it."""
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(asked.query.items())
    )
    names = sorted(["host", *(name for name in asked.headers if name.startswith("x-acs-"))])
    lines = "".join(f"{name}:{asked.headers[name]}\n" for name in names)
    digest = hashlib.sha256(asked.body).hexdigest()
    request = "\n".join([asked.method, asked.path, query, lines, ";".join(names), digest])
    to_sign = "ACS3-HMAC-SHA256\n" + hashlib.sha256(request.encode()).hexdigest()
    return hmac.new(SECRET.encode(), to_sign.encode(), hashlib.sha256).hexdigest()


async def test_an_sms_is_handed_over_as_aliyun_wants_it(sms: AliyunSms, provider: Provider) -> None:
    provider.answers.append(Reply(OK_SENT))
    assert await sms.send(OUTGOING) == Accepted("b-1")
    (asked,) = provider.asked
    assert asked.headers["x-acs-action"] == "SendSms"
    assert asked.headers["x-acs-version"] == "2017-05-25"
    assert asked.query == {
        "PhoneNumbers": "13800138000",
        "SignName": "甲公司",
        "TemplateCode": "SMS_1",
        "TemplateParam": '{"recipient_name": "王小明", "customer_name": "甲 & 乙+丙/*~"}',
        "OutId": OUTGOING.message,
    }
    assert asked.headers["authorization"].endswith(f"Signature={signature_of(asked)}")


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply({"Code": "isv.MOBILE_NUMBER_ILLEGAL"}, 400), FailedForGood("isv.MOBILE_NUMBER_ILLEGAL")),
        (Reply({"Code": "isv.TEMPLATE_MISSING_PARAMETERS"}), FailedForGood("isv.TEMPLATE_MISSING_PARAMETERS")),
        (Reply({"Code": "isv.BUSINESS_LIMIT_CONTROL"}), TryAgain("isv.BUSINESS_LIMIT_CONTROL")),
        (Reply({"Code": "isv.AMOUNT_NOT_ENOUGH"}), TryAgain("isv.AMOUNT_NOT_ENOUGH")),
        (Reply({"Code": "SignatureDoesNotMatch"}, 400), TryAgain("SignatureDoesNotMatch")),
        (Reply({"Code": "InternalError"}, 500), Unknown("InternalError")),
        (Reply({"Code": "isp.SYSTEM_ERROR"}), Unknown("isp.SYSTEM_ERROR")),
        (Reply(b"<html>Bad Gateway", 502), Unknown("http-502")),
        (Reply(b"<html>not here", 404), TryAgain("http-404")),
        (Reply(b"", 200), Unknown("http-200")),
        (Reply({"Message": "?"}), Unknown("no-code")),
        (Reply(OK_SENT, cut=True), Unknown("no-answer")),
        (Reply(silent=True), Unknown("no-answer")),
    ],
    ids=lambda value: str(value) if isinstance(value, Outcome) else "",
)
async def test_aliyuns_answers_are_taken_for_what_they_are(
    sms: AliyunSms, provider: Provider, reply: Reply, expected: Outcome
) -> None:
    """Whatever comes back, the message was handed over once."""
    provider.answers.append(reply)
    assert await sms.send(OUTGOING) == expected
    assert len(provider.asked) == 1


async def test_an_answer_that_comes_twice_is_not_taken_for_that_to_the_next_message(
    sms: AliyunSms, provider: Provider
) -> None:
    """Guard: `provider_client` keeps no connection."""
    provider.answers.append(Reply(OK_SENT, twice=True))
    provider.answers.append(Reply({"Code": "isv.BLACK_KEY_CONTROL_LIMIT"}))
    assert await sms.send(OUTGOING) == Accepted("b-1")
    assert await sms.send(OUTGOING) == FailedForGood("isv.BLACK_KEY_CONTROL_LIMIT")


async def test_where_nobody_listens_nothing_was_sent(client: httpx2.AsyncClient, provider: Provider) -> None:
    await provider.stop()
    gone = AliyunSms(client, provider.url, KEY_ID, SECRET, "甲公司")
    assert await gone.send(OUTGOING) == TryAgain("unreachable")


async def test_an_sms_takes_an_approved_template(sms: AliyunSms, provider: Provider) -> None:
    unapproved = replace(OUTGOING, provider_template="")
    assert await sms.send(unapproved) == FailedForGood("no-approved-template")
    assert provider.asked == []


def details(*found: dict[str, Any]) -> Reply:
    return Reply({"Code": "OK", "TotalCount": len(found), "SmsSendDetailDTOs": {"SmsSendDetailDTO": list(found)}})


def detail(status: Any, out_id: str = OUTGOING.message, code: str = "DELIVERED") -> dict[str, Any]:
    return {"PhoneNum": "13800138000", "SendStatus": status, "OutId": out_id, "ErrCode": code}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (details(detail(3, "another"), detail(3)), Delivered("b-1")),
        (details(detail("3")), Delivered("b-1")),
        (details(detail(2, code="MOBILE_OFF")), FailedForGood("MOBILE_OFF")),
        (details(detail(1)), Accepted("b-1")),
        (details(detail(3, "another")), Unknown(NO_TRACE)),
        (details(), Unknown(NO_TRACE)),
        (Reply({"Code": "OK"}), Unknown(NO_TRACE)),
        (Reply({"Code": "isv.RAM_CHECK_FAILED"}, 400), Unknown("isv.RAM_CHECK_FAILED")),
    ],
    ids=lambda value: str(value) if isinstance(value, Outcome) else "",
)
async def test_what_has_become_of_an_sms_is_asked(
    sms: AliyunSms, provider: Provider, reply: Reply, expected: Outcome
) -> None:
    provider.answers.append(reply)
    assert await sms.look_up(HANDED) == expected
    (asked,) = provider.asked
    assert asked.headers["x-acs-action"] == "QuerySendDetails"
    assert asked.query == {
        "PhoneNumber": "13800138000",
        "SendDate": "20261124",
        "PageSize": "50",
        "CurrentPage": "1",
        "BizId": "b-1",
    }
    assert asked.headers["authorization"].endswith(f"Signature={signature_of(asked)}")


async def test_about_midnight_both_days_are_asked(sms: AliyunSms, provider: Provider) -> None:
    provider.usual = lambda asked: details(detail(3)) if asked.query["SendDate"] == "20261125" else details()
    midnight = datetime(2026, 11, 24, 15, 59, 30, tzinfo=UTC)
    assert await sms.look_up(Handed(OUTGOING.message, OUTGOING.to, midnight)) == Delivered(None)
    assert [asked.query["SendDate"] for asked in provider.asked] == ["20261124", "20261125"]


async def test_asking_is_repeated_since_it_changes_nothing(sms: AliyunSms, provider: Provider) -> None:
    provider.answers += [Reply(cut=True, body=OK_SENT), Reply(b"", 502), details(detail(3))]
    assert await sms.look_up(HANDED) == Delivered("b-1")
    assert len(provider.asked) == 3


async def test_a_provider_that_does_not_answer_says_nothing(sms: AliyunSms, provider: Provider) -> None:
    provider.answers += [Reply(b"", 502)] * 3
    assert await sms.look_up(HANDED) == Unknown("http-502")


# --- WeCom -----------------------------------------------------------------------------------------------------------

TO_STAFF = Outgoing("m-1", "sun", "E004", "客户 K1 的资质审核轮到您办理\nIt waits for you", {})


class Corp:
    """WeCom as far as these calls go: tokens that run out, and members."""

    def __init__(self, provider: Provider) -> None:
        self.tokens = 0
        self.sent: list[Any] = []
        self.answer: dict[str, Any] = {"errcode": 0, "errmsg": "ok", "invaliduser": "", "msgid": "msg-1"}
        self.expires_in: Any = 7200
        provider.usual = self._answer

    def _answer(self, asked: Asked) -> Reply:
        if asked.path == "/cgi-bin/gettoken":
            assert asked.query == {"corpid": "corp", "corpsecret": SECRET}
            self.tokens += 1
            token = {"access_token": f"t-{self.tokens}", "expires_in": self.expires_in}
            return Reply({"errcode": 0, "errmsg": "ok", **token})
        assert (asked.method, asked.path) == ("POST", "/cgi-bin/message/send")
        if asked.query["access_token"] != f"t-{self.tokens}":
            return Reply({"errcode": 42001, "errmsg": "access_token expired"})
        self.sent.append(asked.json)
        return Reply(self.answer)


@pytest.fixture
def corp(provider: Provider) -> Corp:
    return Corp(provider)


async def test_an_employee_is_written_to_with_a_token_that_is_kept(wecom: WeCom, corp: Corp) -> None:
    assert await wecom.send(TO_STAFF) == Delivered("msg-1")
    assert await wecom.send(TO_STAFF) == Delivered("msg-1")
    assert corp.tokens == 1
    assert corp.sent[0] == {
        "touser": "E004",
        "msgtype": "text",
        "agentid": 7,
        "text": {"content": TO_STAFF.text},
        "enable_duplicate_check": 1,
        "duplicate_check_interval": 1800,
    }


async def test_a_token_that_was_replaced_is_fetched_anew_and_the_message_sent_once(wecom: WeCom, corp: Corp) -> None:
    await wecom.send(TO_STAFF)
    corp.tokens += 1  # another process has fetched one
    assert await wecom.send(TO_STAFF) == Delivered("msg-1")
    assert len(corp.sent) == 2


async def test_a_token_is_renewed_before_its_end(wecom: WeCom, corp: Corp) -> None:
    corp.expires_in = 0
    await wecom.send(TO_STAFF)
    await wecom.send(TO_STAFF)
    assert corp.tokens == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"errcode": 0, "invaliduser": "e004", "msgid": "x"}, FailedForGood("invalid-user")),
        ({"errcode": 0, "unlicenseduser": "E003|E004"}, FailedForGood("invalid-user")),
        ({"errcode": 81013}, FailedForGood("81013")),
        ({"errcode": 45009}, TryAgain("45009")),
        ({"errcode": -1}, TryAgain("-1")),
        ({"errcode": 60020}, TryAgain("60020")),
        ({"errcode": 42001}, TryAgain("42001")),
        ({}, Unknown("no-code")),
    ],
    ids=str,
)
async def test_wecoms_answers_are_taken_for_what_they_are(
    wecom: WeCom, corp: Corp, answer: dict[str, Any], expected: Outcome
) -> None:
    corp.answer = answer
    assert await wecom.send(TO_STAFF) == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply({"errcode": 40001, "errmsg": "invalid secret"}), TryAgain("gettoken-40001")),
        (Reply({"errcode": 0}), TryAgain("gettoken-0")),
        (Reply([]), TryAgain("gettoken-http-200")),
    ],
    ids=str,
)
async def test_without_a_token_nothing_was_sent(
    wecom: WeCom, provider: Provider, reply: Reply, expected: Outcome
) -> None:
    provider.usual = lambda _: reply
    assert await wecom.send(TO_STAFF) == expected
    assert {asked.path for asked in provider.asked} == {"/cgi-bin/gettoken"}


async def test_a_message_without_an_answer_is_not_sent_again_and_cannot_be_asked_about(
    wecom: WeCom, provider: Provider, corp: Corp
) -> None:
    await wecom.send(TO_STAFF)
    provider.answers.append(Reply(silent=True))
    assert await wecom.send(TO_STAFF) == Unknown("no-answer")
    assert sum(asked.path.endswith("send") for asked in provider.asked) == 2
    assert wecom.can_look_up is False
    assert await wecom.look_up(Handed("m-1", "E004", SENT_AT)) == Unknown("cannot-ask")


async def test_a_long_text_is_cut_between_characters(wecom: WeCom, corp: Corp) -> None:
    long = Outgoing("m-1", "sun", "E004", "长" * 1_000, {})
    await wecom.send(long)
    assert corp.sent[0]["text"]["content"] == "长" * 682


def test_both_are_channels(sms: AliyunSms, wecom: WeCom) -> None:
    channels: list[Channel] = [sms, wecom]
    assert [channel.can_look_up for channel in channels] == [True, False]
