"""Forms as people fill them: mistakes in words beside the field, typed text kept.

Use Form for every form, `{% error_summary form %}` and `{% field form.title %}` in the template,
`novalidate` on the <form>. Optional fields are marked, so leave `required` on unless one is.
"""

import re
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.core import validators
from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.translation import get_language, gettext, gettext_lazy, ngettext_lazy

from uzina.core.errors import Invalid, Refused
from uzina.core.http import told

SPACES = re.compile(r"[\s\u00a0\u2007\u2009\u202f'\u2019]+")
"""What people group digits with, besides the point and the comma."""

SEPARATORS = {"ro": (".", ",")}
"""Group and decimal separator where they are not the comma and the point."""

LONGEST = 40
"""More characters than this are no number that anybody means."""

SHORTEST_MONTH = 3
EXAMPLE = 1500

MONTHS = {
    "en": "january february march april may june july august september october november december",
    "ro": "ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie"
    " decembrie",
}


TOO_LONG = ngettext_lazy(
    "Shorten this to %(limit_value)d character; it has %(show_value)d.",
    "Shorten this to %(limit_value)d characters; it has %(show_value)d.",
    "limit_value",
)
TOO_SHORT = ngettext_lazy(
    "Write at least %(limit_value)d character; it has %(show_value)d.",
    "Write at least %(limit_value)d characters; it has %(show_value)d.",
    "limit_value",
)

BAD_URL = gettext_lazy("Write a web address such as https://example.org.")
PLAIN: tuple[tuple[type, Any], ...] = (
    (validators.MaxLengthValidator, TOO_LONG),
    (validators.MinLengthValidator, TOO_SHORT),
    (
        validators.EmailValidator,
        gettext_lazy("Write an e-mail address such as name@example.org."),
    ),
    (validators.URLValidator, BAD_URL),
    (
        validators.ProhibitNullCharactersValidator,
        gettext_lazy("Remove the characters that cannot be shown."),
    ),
)
"""What is said instead of Django's words, by kind of validator."""

CHOICES = (forms.ChoiceField, forms.ModelChoiceField)


class Form(forms.Form):
    """A form whose refusals stand beside their fields."""

    template_name = "ui/form.html"
    use_required_attribute = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for name in self.fields:
            bound = self[name]
            _dress(bound.field)
            _speak_plainly(bound.field, str(bound.label))

    def add_refusal(self, refused: Refused) -> None:
        """Put what the rules said beside the fields it is about, the rest at the top."""
        self.is_valid()
        if not isinstance(refused, Invalid):
            self.add_error(None, told(refused))
            return
        for problem in refused.problems:
            self.add_error(self._field_of(problem.field), told(problem))

    def _field_of(self, path: str) -> str | None:
        candidates = (path, path.replace(".", "_"), path.replace(".", "-"))
        return next((name for name in candidates if name in self.fields), None)


def _dress(field: forms.Field) -> None:
    """Give the control its class; radios and checkboxes keep the browser's own look."""
    widget = field.widget
    bare = (forms.CheckboxInput, forms.RadioSelect, forms.CheckboxSelectMultiple, forms.HiddenInput)
    if not isinstance(widget, bare) and not isinstance(widget, forms.MultiWidget):
        widget.attrs.setdefault("class", "input")
    if isinstance(widget, forms.Textarea):
        widget.attrs.setdefault("rows", 5)
        widget.attrs.pop("cols", None)


def _speak_plainly(field: forms.Field, label: str) -> None:
    """Replace what Django says of a mistake by what to do about it."""
    if _is_default(field, "required"):
        field.error_messages["required"] = _when_missing(field).format(label=label)
    if isinstance(field, CHOICES) and _is_default(field, "invalid_choice"):
        field.error_messages["invalid_choice"] = gettext("Choose one of the answers.")
    if isinstance(field, forms.URLField):
        field.error_messages["invalid"] = BAD_URL
    for one in field.validators:
        for kind, message in PLAIN:
            if isinstance(one, kind):
                one.message = message  # type: ignore[attr-defined]


def _when_missing(field: forms.Field) -> str:
    if isinstance(field, forms.BooleanField):
        return gettext("Tick “{label}” to go on.")
    if isinstance(field, CHOICES):
        return gettext("Choose an answer for “{label}”.")
    return gettext("Fill in “{label}”.")


def _is_default(field: forms.Field, key: str) -> bool:
    for kind in type(field).__mro__:
        default = getattr(kind, "default_error_messages", {}).get(key)
        if default is not None:
            return bool(field.error_messages.get(key) == default)
    return False


def plain_number(text: str, *, language: str) -> str:
    """Return a number as people type it in the form that Decimal reads: "5 000" is "5000".

    language  whose separators decide where text could be read in two ways

    Raises ValueError for what is no number.
    """
    group, point = SEPARATORS.get(language, (",", "."))
    bare = SPACES.sub("", text).replace("\u2212", "-")
    match = re.fullmatch(r"([+-]?)([0-9.,]+)", bare)
    if not match or len(bare) > LONGEST:
        raise ValueError(text)
    sign, digits = match[1].replace("+", ""), match[2]
    marks = re.sub(r"[0-9]", "", digits)
    if len(set(marks)) == 2 and marks.count(marks[-1]) == 1:
        group, point = marks[0], marks[-1]
    elif len(marks) > 1 and len(set(marks)) == 1:
        group, point = marks[0], ""
    elif len(marks) == 1 and marks == group and not _is_grouped(digits, group):
        group, point = "", marks
    whole, _, rest = digits.partition(point) if point else (digits, "", "")
    if group and group in whole and not _is_grouped(whole, group):
        raise ValueError(text)
    whole = whole.replace(group, "") if group else whole
    if not (whole + rest).isdecimal() or not (whole or rest):
        raise ValueError(text)
    return f"{sign}{whole or '0'}.{rest}" if rest else f"{sign}{whole or '0'}"


def _is_grouped(digits: str, group: str) -> bool:
    return bool(re.fullmatch(rf"[0-9]{{1,3}}(?:{re.escape(group)}[0-9]{{3}})+", digits))


def whole_number(text: str, *, language: str) -> int:
    """Return a whole number as people type it: 5000, 5 000, and 5,000 or 5.000 by language.

    Raises ValueError for what is none; AmbiguousNumber for one mark before three digits that is
    the decimal mark of the language: five, or five thousand?
    """
    _group, point = SEPARATORS.get(language, (",", "."))
    bare = SPACES.sub("", text)
    if bare.count(point) == 1 and _is_grouped(bare.lstrip("+-\u2212"), point):
        raise AmbiguousNumber(text)
    value = Decimal(plain_number(text, language=language))
    if value != value.to_integral_value():
        raise ValueError(text)
    return int(value)


class AmbiguousNumber(ValueError):
    """A number that can be read in two ways."""


class IntegerField(forms.IntegerField):
    """A whole number, typed as text: 5000, 5 000, and 5,000 or 5.000 as the language writes it."""

    widget = forms.TextInput(attrs={"inputmode": "numeric", "data-width": "10"})

    def to_python(self, value: Any) -> int | None:
        """Return the number, None when nothing was typed."""
        if value in self.empty_values or not str(value).strip():
            return None
        try:
            return whole_number(str(value), language=_language())
        except AmbiguousNumber:
            raise ValidationError(
                gettext(
                    "“{text}” can be read in two ways. Write it without point or comma."
                ).format(text=value),
                code="ambiguous",
            ) from None
        except ValueError:
            raise ValidationError(
                gettext("Write a whole number, such as {example}.").format(
                    example=number_format(self.example(), 0, force_grouping=True)
                ),
                code="invalid",
            ) from None

    def example(self) -> int:
        """Return a number that would do."""
        least = self.min_value if isinstance(self.min_value, int) else 0
        most = self.max_value if isinstance(self.max_value, int) else EXAMPLE
        return max(least, min(EXAMPLE, most))

    def validate(self, value: Any) -> None:
        """Check the range, and say it as a range."""
        super().validate(value)
        _check_range(value, self.min_value, self.max_value)

    def run_validators(self, value: Any) -> None:
        """Leave out Django's range messages: validate() has said it."""
        self.validators = [one for one in self.validators if not _is_range(one)]
        super().run_validators(value)


class DecimalField(forms.DecimalField):
    """A number with decimals, typed as text with the comma or the point of the language."""

    widget = forms.TextInput(attrs={"inputmode": "decimal", "data-width": "10"})

    def to_python(self, value: Any) -> Decimal | None:  # type: ignore[override]
        """Return the number, None when nothing was typed."""
        if value in self.empty_values or not str(value).strip():
            return None
        try:
            return Decimal(plain_number(str(value), language=_language()))
        except ValueError:
            raise ValidationError(
                gettext("Write a number, such as {example}.").format(
                    example=number_format(Decimal("1500.5"), 1, force_grouping=True)
                ),
                code="invalid",
            ) from None

    def validate(self, value: Any) -> None:
        """Check the range, and say it as a range."""
        super().validate(value)
        _check_range(value, self.min_value, self.max_value)

    def run_validators(self, value: Any) -> None:
        """Leave out Django's range messages: validate() has said it."""
        self.validators = [one for one in self.validators if not _is_range(one)]
        super().run_validators(value)


def _is_range(validator: Any) -> bool:
    return isinstance(validator, validators.MinValueValidator | validators.MaxValueValidator)


def _check_range(value: Any, least: Any, most: Any) -> None:
    if value is None or ((least is None or value >= least) and (most is None or value <= most)):
        return
    words = {
        "least": "" if least is None else number_format(least, force_grouping=True),
        "most": "" if most is None else number_format(most, force_grouping=True),
    }
    if least is not None and most is not None:
        message = gettext("Write a number from {least} to {most}.")
    elif least is not None:
        message = gettext("Write a number of {least} or more.")
    else:
        message = gettext("Write a number of {most} or less.")
    raise ValidationError(message.format(**words), code="range")


class DateWidget(forms.MultiWidget):
    """Day, month and year as three fields: `name_day`, `name_month`, `name_year`."""

    def __init__(self, attrs: Any = None) -> None:
        super().__init__(
            {name: forms.TextInput() for name in ("day", "month", "year")}, attrs=attrs
        )

    def decompress(self, value: Any) -> list[Any]:
        """Return day, month and year of a date."""
        return [value.day, value.month, value.year] if value else ["", "", ""]

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Name the ids of the parts as the parts: id_name_day and so on."""
        context: dict[str, Any] = super().get_context(name, value, attrs)
        for part, shown in zip(
            ("day", "month", "year"), context["widget"]["subwidgets"], strict=True
        ):
            shown["attrs"]["id"] = f"{attrs.get('id', f'id_{name}')}_{part}"
        return context


class DateField(forms.Field):
    """A date in three number fields. The month may be typed as a word in either language."""

    widget = DateWidget

    def clean(self, value: Any) -> date | None:
        """Return the date, None when an optional one was left empty."""
        typed = [str(part or "").strip() for part in (value or ["", "", ""])]
        if not any(typed):
            if self.required:
                raise ValidationError(self.error_messages["required"], code="required")
            return None
        if not all(typed):
            names = (gettext("a day"), gettext("a month"), gettext("a year"))
            missing = [name for name, part in zip(names, typed, strict=True) if not part]
            raise ValidationError(
                gettext("The date needs {parts} too.").format(parts=gettext(" and ").join(missing)),
                code="incomplete",
            )
        found = _date(*typed)
        if found is None:
            raise ValidationError(
                gettext(
                    "There is no date {typed}. Write day, month and year as numbers, such as"
                    " 27 3 2027."
                ).format(typed=" ".join(typed)),
                code="invalid",
            )
        return found

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Tell whether what was typed is another date."""
        try:
            return self.clean(data) != initial
        except ValidationError:
            return True


def _date(day: str, month: str, year: str) -> date | None:
    number = _month(month)
    if not (re.fullmatch("[0-9]{1,2}", day) and re.fullmatch("[0-9]{4}", year) and number):
        return None
    try:
        return date(int(year), number, int(day))
    except ValueError:
        return None


def _month(text: str) -> int | None:
    if re.fullmatch("[0-9]{1,2}", text):
        return int(text)
    word = text.lower().rstrip(".")
    for names in MONTHS.values():
        for index, name in enumerate(names.split(), start=1):
            if word == name or (len(word) >= SHORTEST_MONTH and name.startswith(word)):
                return index
    return None


def _language() -> str:
    return (get_language() or "en").partition("-")[0]
