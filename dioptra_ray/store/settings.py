"""How an S3 store is reached. The one place that reads DIOPTRA_S3_*."""

import os
from typing import Self

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from dioptra_ray.errors import InvalidRequestError

PREFIX = "DIOPTRA_S3_"


class StoreSettings(BaseModel):
    """Settings of an S3 store; a directory needs none of them.

    Attributes:
        endpoint: Host, or host:port, of the S3 service.
        access_key: Its access key.
        secret_key: Its secret key.
        secure: Whether to speak HTTPS.
        region: The bucket's region; most servers of one's own want the default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str = ""
    access_key: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    secure: bool = True
    region: str = "us-east-1"

    @classmethod
    def from_env(cls) -> Self:
        """Read DIOPTRA_S3_ENDPOINT, _ACCESS_KEY, _SECRET_KEY, _SECURE and _REGION.

        An endpoint may begin with http:// or https://, which then says `secure`.

        Raises:
            InvalidRequestError: A value cannot be read.
        """
        names = cls.model_fields
        given = {name: os.environ.get(f"{PREFIX}{name.upper()}") for name in names}
        values = {name: value for name, value in given.items() if value}
        scheme, separator, rest = values.get("endpoint", "").partition("://")
        if separator:
            values = {"secure": str(scheme.lower() != "http"), **values, "endpoint": rest}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(
                f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()
            )
            raise InvalidRequestError(f"The S3 settings cannot be read: {problems}.") from None
