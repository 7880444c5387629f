"""What can be wrong with a type definition."""

from dioptra_ray.errors import InvalidRequestError


class TypeDefinitionError(InvalidRequestError):
    """A type cannot be built from its definition.

    Attributes:
        code: The issue code that a validation reports for it.
        type_name: The named type whose definition is wrong; None for an inline one.
    """

    reason = "INVALID_TYPE"

    def __init__(self, message: str, *, code: str, type_name: str | None = None) -> None:
        super().__init__(message, code=code, type_name=str(type_name))
        self.code = code
        self.type_name = type_name


class TypesTooLargeError(InvalidRequestError):
    """Types have so many parts that comparing them would take too long."""

    reason = "TYPES_TOO_LARGE"
