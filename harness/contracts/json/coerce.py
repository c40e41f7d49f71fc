"""Compile a JSON schema, and coerce values that almost satisfy it."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, extend, validator_for
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from harness.contracts.json.repair import MISSING, canonical, number, same

_extend: Any = extend
_ROUNDS = 6
_ERRORS = 64
"""A value with more errors is not repaired."""
_NO_WORD = re.compile(r"[\W_]+")
_CODES = {
    "required": "missing_keys",
    "additionalProperties": "extra_keys",
    "unevaluatedProperties": "extra_keys",
    "type": "wrong_type",
}


@dataclass(frozen=True)
class CoercedValue:
    """A value that satisfies the schema (or `MISSING`), and the violation codes."""

    value: Any
    codes: frozenset[str] = frozenset()


class Schema:
    """A compiled schema. Remote references are never fetched."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            text = json.dumps(schema, sort_keys=False, default=dict)
        except (TypeError, ValueError, RecursionError):
            message = "The JSON schema must be made of JSON values only."
            raise ValueError(message) from None
        own = json.loads(text)
        if not isinstance(own, dict):
            message = "The JSON schema must be an object."
            raise ValueError(message)  # noqa: TRY004 -- one kind of error for a bad schema
        self.keys: tuple[str, ...] = ()
        self._validator = _compiled(own)
        properties = own.get("properties", {})
        self.keys = tuple(properties)
        self.takes_text, self.takes_array, self.takes_object = (
            _accepts_type(own, kind) for kind in ("string", "array", "object")
        )

    def accepts(self, value: Any) -> bool:
        """Return whether `value` satisfies the schema unchanged."""
        try:
            return self._validator.is_valid(value)
        except (RecursionError, OverflowError):
            return False

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with `value` and where, on one line; `None` if it satisfies the schema."""
        error = next(iter(self._validator.iter_errors(value)), None)
        return f"{error.json_path}: {' '.join(error.message.split())[:200]}" if error else None

    def fit(self, value: Any) -> CoercedValue:
        """Repair `value` where only one repair is possible: spelling of keys, numbers as strings, extra keys."""
        codes: set[str] = set()
        if isinstance(value, list) and len(value) == 1 and not self.takes_array:
            value = value[0]
            codes.add("wrong_type")
        if self.accepts(value):
            return CoercedValue(value, frozenset(codes))
        try:
            value = copy.deepcopy(value)
            for _ in range(_ROUNDS):
                errors = list(islice(self._validator.iter_errors(value), _ERRORS))
                if not errors:
                    return CoercedValue(value, frozenset(codes))
                repaired = _mend_all(value, errors) if len(errors) < _ERRORS else None
                if repaired is None:
                    return CoercedValue(MISSING, frozenset(map(_code, errors)))
                value, mended = repaired
                codes |= mended
        except (RecursionError, OverflowError):
            pass
        return CoercedValue(MISSING, frozenset({"schema"}))


def fold_key(key: str) -> str:
    """Normalise a key: `invoice_no`, `Invoice No` and `invoiceNo` are equal."""
    return _NO_WORD.sub("", key).casefold()


def _compiled(schema: dict[str, Any]) -> Validator:
    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path)) or "its root"
        message = f"The JSON schema is not valid at {place}: {error.message.splitlines()[0]}."
        raise ValueError(message) from None
    except RecursionError:
        message = "The JSON schema is nested too deeply."
        raise ValueError(message) from None
    root = Resource.from_contents(schema, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry()
    _check_references(root, registry.resolver_with_root(root))
    # jsonschema compares mixed items pairwise: hours for a hostile reply
    validator: Validator = _extend(kind, {"uniqueItems": _unique_items})(schema, registry=registry)
    try:
        for probe in ("{}", "[]", '""'):
            validator.is_valid(json.loads(probe))
    except RecursionError:
        message = "The JSON schema refers to itself without end."
        raise ValueError(message) from None
    return validator


def _check_references(resource: Resource[Any], resolver: Any) -> None:
    contents = resource.contents
    if isinstance(contents, dict):
        for name in ("$ref", "$dynamicRef"):
            reference = contents.get(name)
            if isinstance(reference, str):
                try:
                    resolver.lookup(reference)
                except Unresolvable:
                    message = f"The JSON schema refers to {reference!r}, which it does not contain."
                    raise ValueError(message) from None
    for part in resource.subresources():
        _check_references(part, resolver.in_subresource(part))


def _unique_items(validator: Validator, wanted: Any, instance: Any, _: Any) -> Any:
    if wanted and validator.is_type(instance, "array"):
        distinct = {canonical(_whole(item)) for item in instance}
        if len(distinct) < len(instance):
            yield ValidationError("has items that are not unique")


def _whole(item: Any) -> Any:
    """Convert floats without a fraction to integers: JSON Schema treats `1.0` as `1`."""
    if isinstance(item, float) and item.is_integer():
        return int(item)
    if isinstance(item, list):
        return [_whole(part) for part in item]
    return {key: _whole(part) for key, part in item.items()} if isinstance(item, dict) else item


def _accepts_type(schema: Mapping[str, Any], kind: str) -> bool:
    """Return whether the `type` of the schema accepts this kind of value."""
    kinds = schema.get("type")
    return kinds is None or kind == kinds or (isinstance(kinds, list) and kind in kinds)


def _code(error: ValidationError) -> str:
    if _types(error):
        return "wrong_type"
    return _CODES.get(str(error.validator), "schema")


def _mend_all(root: Any, errors: Sequence[ValidationError]) -> tuple[Any, set[str]] | None:
    """Repair every error in place; `None` if one cannot be repaired. Overlapping errors wait for the next round."""
    codes: set[str] = set()
    for error in errors:
        parent, place, here = _at(root, list(error.absolute_path))
        if here is not error.instance:
            continue
        mend = _MENDS.get("type" if _types(error) else str(error.validator))
        mended = mend(error) if mend else None
        if mended is None:
            return None
        value, new_codes = mended
        codes |= new_codes
        if value is _ABSENT:
            if not isinstance(parent, dict):
                return None
            del parent[place]
        elif parent is None:
            root = value
        else:
            parent[place] = value
    return root, codes


def _at(root: Any, path: list[Any]) -> tuple[Any, Any, Any]:
    parent, place, here = None, None, root
    for step in path:
        known = step in here if isinstance(here, dict) else isinstance(here, list) and step < len(here)
        if not known:
            return None, None, MISSING
        parent, place, here = here, step, here[step]
    return parent, place, here


_ABSENT: Final = object()
"""Treat `null` as an absent key; a required key is then missing."""

_Mended = tuple[Any, set[str]]


def _parts(error: ValidationError) -> tuple[Any, Any, Any]:
    """Return the failing schema, the value of its keyword, and the failing value."""
    return error.schema, error.validator_value, error.instance


def _missing(error: ValidationError) -> _Mended | None:
    """Rename the key that misspells a required key."""
    schema, required, written = _parts(error)
    members = dict(written)
    properties = schema.get("properties", {})
    for key in required:
        if key in members:
            continue
        spellings = [other for other in members if other not in properties and fold_key(other) == fold_key(key)]
        rivals = [other for other in {*properties, *required} if fold_key(other) == fold_key(key)]
        if len(spellings) != 1 or rivals != [key]:
            return None
        members = {key if other == spellings[0] else other: value for other, value in members.items()}
    return members, {"wrong_case"}


def _extra(error: ValidationError) -> _Mended | None:
    """Rename extra keys that misspell an allowed key; drop the others."""
    schema, _, written = _parts(error)
    properties = schema.get("properties", {})
    patterns = [re.compile(pattern) for pattern in schema.get("patternProperties", {})]
    members: dict[str, Any] = {}
    codes: set[str] = set()
    for key, value in written.items():
        if key in properties or any(pattern.search(key) for pattern in patterns):
            meant = key
        else:
            spellings = [other for other in properties if fold_key(other) == fold_key(key)]
            if len(spellings) != 1:
                codes.add("extra_keys")
                continue
            meant = spellings[0]
            codes.add("wrong_case")
            if meant in written and not same(written[meant], value):
                return None
        if meant in members and not same(members[meant], value):
            return None
        members[meant] = value
    return members, codes


def _types(error: ValidationError) -> tuple[str, ...]:
    """Return the required types if only the type is wrong, including optional fields written with `anyOf`."""
    _, required, _ = _parts(error)
    if error.validator == "type":
        return (required,) if isinstance(required, str) else tuple(required)
    parts = error.context or ()
    if error.validator in ("anyOf", "oneOf") and all(part.validator == "type" and not part.path for part in parts):
        return tuple(kind for part in parts for kind in _types(part))
    return ()


def _retyped(error: ValidationError) -> _Mended | None:
    """Convert a quoted number or boolean, an unquoted integer, or an empty value to the required type."""
    kinds, value = _types(error), error.instance
    if value is None:
        return _ABSENT, {"wrong_type"}
    if isinstance(value, str):
        text = value.strip()
        spelled = number(text)
        if spelled is not None and ("number" in kinds or ("integer" in kinds and float(spelled).is_integer())):
            return spelled, {"wrong_type"}
        if "boolean" in kinds and text.lower() in ("true", "false"):
            return text.lower() == "true", {"wrong_type"}
    elif isinstance(value, int) and not isinstance(value, bool) and "string" in kinds:
        return str(value), {"wrong_type"}
    return None


def _allowed_value(error: ValidationError) -> _Mended | None:
    """Return the allowed value that differs from `value` only in spelling."""
    _, allowed, written = _parts(error)
    if not isinstance(written, str):
        return None
    folded = written.strip().casefold()
    allowed = allowed if error.validator == "enum" else [allowed]
    meant = [value for value in allowed if isinstance(value, str) and value.strip().casefold() == folded]
    return (meant[0], {"wrong_case"}) if len(meant) == 1 else None


_MENDS: dict[str, Callable[[ValidationError], _Mended | None]] = {
    "required": _missing,
    "additionalProperties": _extra,
    "type": _retyped,
    "enum": _allowed_value,
    "const": _allowed_value,
}
