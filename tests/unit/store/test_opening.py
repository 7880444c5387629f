"""From URLs, keys and settings to stores."""

import subprocess
import sys

import pytest
from pydantic import SecretStr

from dioptra_ray.errors import InvalidRequestError
from dioptra_ray.store import StoreSettings, artifact_key, bundle_key, open_store

SETTINGS = StoreSettings(
    endpoint="localhost:9000", access_key=SecretStr("key"), secret_key=SecretStr("hunter2")
)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "must be file:///absolute/directory or s3://bucket/prefix"),
        ("/srv/store", "must be file:///"),
        ("http://host/bucket", "must be file:///"),
        ("file://relative/path", "three slashes"),
        ("file:///", "three slashes"),
        ("file:relative", "three slashes"),
        ("s3://", "S3 bucket"),
        ("s3://ab", "S3 bucket"),
        ("s3://UPPER", "S3 bucket"),
        ("s3://a..b", "S3 bucket"),
        ("s3://bucket/../other", "store key"),
        ("s3://bucket/a//b", "store key"),
        ("s3://key:hunter2@bucket/x", "credentials"),  # not a secret: made up
        ("s3://bucket/x?versionId=1", r"no \? or #"),
    ],
)
def test_urls_that_are_no_stores(url: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message) as caught:
        open_store(url, SETTINGS)
    assert "hunter2" not in str(caught.value)


def test_url_is_kept_without_a_last_slash() -> None:
    assert open_store("s3://bucket/prefix/", SETTINGS).url == "s3://bucket/prefix"
    assert open_store("s3://bucket", SETTINGS).url == "s3://bucket"
    assert open_store("file:///srv/a%20b/").url == "file:///srv/a%20b"


def test_s3_without_settings_names_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "ACCESS_KEY", "SECRET_KEY", "SECURE", "REGION"):
        monkeypatch.delenv(f"DIOPTRA_S3_{name}", raising=False)
    monkeypatch.setenv("DIOPTRA_S3_ACCESS_KEY", "key")
    with pytest.raises(
        InvalidRequestError, match="needs DIOPTRA_S3_ENDPOINT and DIOPTRA_S3_SECRET_KEY"
    ):
        open_store("s3://bucket")


@pytest.mark.parametrize(
    ("endpoint", "secure", "expected"),
    [
        ("host:9000", None, ("host:9000", True)),
        ("host:9000", "false", ("host:9000", False)),
        ("http://host:9000", None, ("host:9000", False)),
        ("https://host", None, ("host", True)),
        ("https://host", "false", ("host", False)),
    ],
)
def test_settings_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
    endpoint: str,
    secure: str | None,
    expected: tuple[str, bool],
) -> None:
    monkeypatch.setenv("DIOPTRA_S3_ENDPOINT", endpoint)
    monkeypatch.setenv("DIOPTRA_S3_SECRET_KEY", "hunter2")
    monkeypatch.setenv("DIOPTRA_S3_REGION", "eu-west-1")
    monkeypatch.delenv("DIOPTRA_S3_SECURE", raising=False)
    if secure is not None:
        monkeypatch.setenv("DIOPTRA_S3_SECURE", secure)
    settings = StoreSettings.from_env()
    assert (settings.endpoint, settings.secure) == expected
    assert settings.region == "eu-west-1"
    assert settings.secret_key.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)


def test_settings_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIOPTRA_S3_SECURE", "perhaps")
    with pytest.raises(InvalidRequestError, match=r"DIOPTRA_S3_SECURE: .*boolean"):
        StoreSettings.from_env()


def test_keys() -> None:
    assert bundle_key("sha256:abc") == "plugins/abc.tar.gz"
    assert artifact_key(3, 2, "the model") == "artifacts/3/2/the model"
    assert artifact_key(3, 2, "the model", try_number=4) == "artifacts/3/2.4/the model"
    with pytest.raises(InvalidRequestError, match="store key"):
        artifact_key(3, 2, "../../plugins/x")


def test_a_directory_store_needs_no_s3_client() -> None:
    code = (
        "import sys; from dioptra_ray.store import open_store; open_store('file:///srv/x');"
        "sys.exit('minio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
