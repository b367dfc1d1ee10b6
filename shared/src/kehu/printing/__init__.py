"""Forms on paper: a form is plain data, laid out as a PDF (typst) or a docx (docxtpl) with room to sign and stamp.

A feature says what its form holds and in which order; where things stand on the page is the templates' matter::

    form = Form(
        code="F4",
        title=Label("客户档案表", "Customer dossier"),
        number=dossier.number,
        blocks=(Fields(heading=..., fields=(Field(label=..., value=...), ...)), Signatures(...)),
        printed=Printed(at=..., by=..., facts=...),
    )
    return await print_form(form, Format.PDF)
"""

from kehu.printing.forms import Block, Column, Field, Fields, Form, Label, Printed, Room, Signatures, Table, Text
from kehu.printing.rendering import Format, FormTooLarge, print_form, render
from kehu.printing.routes import Printing, printed_answer, record_printing, staff_names, with_printing

__all__ = [
    "Block",
    "Column",
    "Field",
    "Fields",
    "Form",
    "FormTooLarge",
    "Format",
    "Label",
    "Printed",
    "Printing",
    "Room",
    "Signatures",
    "Table",
    "Text",
    "print_form",
    "printed_answer",
    "record_printing",
    "render",
    "staff_names",
    "with_printing",
]
