"""The ways in which code is broken: mutmut's operators, and some of the breaks that cost money.

Left out are breaks that another check reports or that no behaviour depends on: texts, log calls,
annotations, decorators and class options, missing or None arguments (mypy), the numbers of named
constants (a choice, or a fact about the venue), and the checks of our own mistakes (`invariant`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import libcst as cst
from mutmut.mutation import mutators

Operator = Callable[[Any], Iterable[cst.CSTNode]]

_SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_LOG_LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
_CHECKS = {"assert_never", "invariant"}


def swap_operator(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """mutmut's, but `//` becomes `*`: `/` gives a float, which mypy reports."""
    if isinstance(node, cst.BinaryOperation) and isinstance(node.operator, cst.FloorDivide):
        yield node.with_changes(operator=cst.Multiply())
    else:
        yield from mutators.operator_swap_op(node)


def round_down(node: cst.UnaryOperation) -> Iterator[cst.CSTNode]:
    """`-(-a // b)` becomes `a // b`: it rounds the other way."""
    match node:
        case cst.UnaryOperation(
            operator=cst.Minus(),
            expression=cst.BinaryOperation(
                left=cst.UnaryOperation(operator=cst.Minus(), expression=numerator),
                operator=cst.FloorDivide(),
            ) as division,
        ):
            yield division.with_changes(left=numerator)
        case _:
            pass


def drop_operand(node: cst.BooleanOperation) -> Iterator[cst.CSTNode]:
    """`a and b` becomes `a`, or `b`: half of a condition is forgotten."""
    yield node.left
    yield node.right


def fix_condition(node: cst.If | cst.CompIf) -> Iterator[cst.CSTNode]:
    """An `if` that is always or never taken."""
    for value in ("True", "False"):
        yield node.with_changes(
            test=cst.Name(value),
            **{"whitespace_before_test": cst.SimpleWhitespace(" ")},
        )


def swap_name(node: cst.Call) -> Iterator[cst.CSTNode]:
    """`min` for `max`, `any` for `all`, and back."""
    if isinstance(node.func, cst.Name) and node.func.value in _SWAPPED:
        yield node.with_changes(func=cst.Name(_SWAPPED[node.func.value]))


def drop_from_compared_tuples(node: cst.Comparison) -> Iterator[cst.CSTNode]:
    """`(a, b) == (c, d)` becomes `(a,) == (c,)`, or `(b,) == (d,)`."""
    if len(node.comparisons) != 1:
        return
    left, target = node.left, node.comparisons[0]
    right = target.comparator
    if not (isinstance(left, cst.Tuple) and isinstance(right, cst.Tuple)):
        return
    if len(left.elements) != len(right.elements) or len(left.elements) < 2:
        return
    for at in range(len(left.elements)):
        kept = [_without(tuple_.elements, at) for tuple_ in (left, right)]
        yield node.with_changes(
            left=left.with_changes(elements=kept[0]),
            comparisons=[
                target.with_changes(comparator=right.with_changes(elements=kept[1])),
            ],
        )


def drop_element(node: cst.List | cst.Dict | cst.Tuple) -> Iterator[cst.CSTNode]:
    """A list, a table or a tuple of enum members lacks one of its elements."""
    if len(node.elements) < 2:
        return
    if isinstance(node, cst.Tuple) and not (
        len(node.elements) > 2 and all(isinstance(e.value, cst.Attribute) for e in node.elements)
    ):
        return  # of a fixed length, as a rule: mypy's business
    for at in range(len(node.elements)):
        yield node.with_changes(elements=[e for n, e in enumerate(node.elements) if n != at])


def drop_statement(node: cst.BaseSmallStatement) -> Iterator[cst.CSTNode]:
    """A call, or an assignment to an attribute or an item, is left out."""
    match node:
        case cst.Expr(value=cst.Call() | cst.Await(expression=cst.Call())):
            yield cst.Pass()
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Attribute() | cst.Subscript()), *_]):
            yield cst.Pass()
        case cst.AugAssign():
            yield cst.Pass()
        case _:
            pass


def _without(elements: Sequence[cst.BaseElement], at: int) -> list[cst.BaseElement]:
    kept = [element for n, element in enumerate(elements) if n != at]
    return [*kept[:-1], kept[-1].with_changes(comma=cst.Comma())]


OPERATORS: tuple[tuple[type, Operator], ...] = (
    (cst.BaseNumber, mutators.operator_number),
    (cst.Name, mutators.operator_name),
    (cst.AugAssign, mutators.operator_augmented_assignment),
    (cst.UnaryOperation, mutators.operator_remove_unary_ops),
    (cst.Call, mutators.operator_symmetric_string_methods_swap),
    (cst.Call, mutators.operator_unsymmetrical_string_methods_swap),
    (cst.CSTNode, mutators.operator_keywords),
    (cst.CSTNode, swap_operator),
    (cst.UnaryOperation, round_down),
    (cst.Match, mutators.operator_match),
    (cst.IfExp, mutators.operator_if_exp),
    (cst.BooleanOperation, drop_operand),
    (cst.If, fix_condition),
    (cst.CompIf, fix_condition),
    (cst.Call, swap_name),
    (cst.Comparison, drop_from_compared_tuples),
    (cst.List, drop_element),
    (cst.Dict, drop_element),
    (cst.Tuple, drop_element),
    (cst.BaseSmallStatement, drop_statement),
)


def is_left_alone(node: cst.CSTNode) -> bool:
    """Whether nothing in this node is to be broken."""
    match node:
        case cst.Annotation() | cst.Decorator() | cst.Import() | cst.ImportFrom() | cst.Assert():
            return True
        case cst.Expr(value=cst.Call() as call) if _is_left_alone(call):
            return True
        case cst.Call():
            return _is_left_alone(node)
        case _:
            return False


def is_table_of_facts(node: cst.CSTNode) -> bool:
    """Whether the numbers in here are named constants: a choice, or a fact about the venue."""
    match node:
        case (
            cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))])
            | cst.AnnAssign(target=cst.Name(value=name))
        ):
            return name.isupper()
        case _:
            return False


def _is_left_alone(call: cst.Call) -> bool:
    match call.func:
        case cst.Name(value=name):
            return name in _CHECKS
        case cst.Attribute(value=cst.Name(value="log") | cst.Attribute(attr=cst.Name(value="log"))):
            return True
        case cst.Attribute(
            value=cst.Name(value="_log") | cst.Attribute(attr=cst.Name(value="_log")),
            attr=cst.Name(value=level),
        ):
            return level in _LOG_LEVELS
        case _:
            return False
