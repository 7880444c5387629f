"""How an S3 store is reached. The one place that reads DIOPTRA_S3_*."""

import os
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from dioptra_ray.errors import InvalidRequestError

PREFIX = "DIOPTRA_S3_"


class StoreSettings(BaseModel):
    """Settings of an S3 store; a directory needs none of them.

    Attributes:
        endpoint: Host, or host:port, of the S3 service.
        access_key: Its access key.
        secret_key: Its secret key.
        secure: Whether to speak HTTPS.
        region: The bucket's region; most servers of one's own want the default. Since it is
            given, no service is asked for a bucket's location.
        ca_file: PEM file of the authority that has signed the service's certificate; those
            that this machine trusts when empty.
        encryption: How the service encrypts what is stored: not (empty), with keys of its own
            ("s3"), or with one of a key management service ("kms:<key id>").
        patience: Seconds for which requests are sent again to a service that does not answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str = ""
    access_key: SecretStr = SecretStr("")
    secret_key: SecretStr = SecretStr("")
    secure: bool = True
    region: str = "us-east-1"
    ca_file: str = ""
    encryption: str = Field(default="", pattern=r"^(|s3|kms:.+)$")
    patience: float = Field(default=20.0, ge=0)

    @classmethod
    def from_env(cls) -> Self:
        """Read DIOPTRA_S3_ENDPOINT, _ACCESS_KEY, _SECRET_KEY, and so on for each attribute.

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
