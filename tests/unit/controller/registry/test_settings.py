import pytest

from dioptra_controller import settings
from dioptra_ray.errors import InvalidRequestError

NEEDED = {"DIOPTRA_DATABASE_URL": "sqlite:////d/c.db", "DIOPTRA_STORE_URL": "file:///s"}


@pytest.fixture
def environment(monkeypatch):
    def put(**values):
        for name, value in (NEEDED | values).items():
            monkeypatch.setenv(name, value)

    return put


def test_the_environment_wins_over_the_file(environment, tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('listen = "127.0.0.1:1"\nlease_seconds = 5\nlog_level = "debug"\n')
    environment(DIOPTRA_LISTEN="127.0.0.1:2", DIOPTRA_STATE_DIR="/not/ours")
    read = settings.load_settings(file)
    assert (read.listen, read.lease_seconds, read.log_level) == ("127.0.0.1:2", 5.0, "DEBUG")


def test_the_password_of_the_database_is_not_printed(environment):
    url = "postgresql+psycopg://me:hunter2@db/x"  # not a secret: made up
    environment(DIOPTRA_DATABASE_URL=url)
    read = settings.load_settings()
    assert "hunter2" not in f"{read} {read!r} {read.model_dump_json()}"


def test_everything_wrong_is_said_at_once(environment, tmp_path):
    file = tmp_path / "c.toml"
    file.write_text('databse_url = "typo"\n')
    environment(DIOPTRA_LEASE_SECONDS="0", DIOPTRA_LOG_LEVEL="LOUD")
    with pytest.raises(InvalidRequestError) as raised:
        settings.load_settings(file)
    for name in ("databse_url", "DIOPTRA_LEASE_SECONDS", "DIOPTRA_LOG_LEVEL"):
        assert name in raised.value.message


@pytest.mark.parametrize("content", ["listen = ", "\x00", "[listen]\nx = 1\n"])
def test_broken_files_are_refused(environment, tmp_path, content):
    file = tmp_path / "c.toml"
    file.write_text(content)
    environment()
    with pytest.raises(InvalidRequestError):
        settings.load_settings(file)


def test_a_missing_file_is_refused(environment, tmp_path):
    environment()
    with pytest.raises(InvalidRequestError, match="no configuration file"):
        settings.load_settings(tmp_path / "c.toml")


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "example.org:1", ":1"])
def test_others_get_in_with_a_token_only(environment, listen, tmp_path):
    environment(DIOPTRA_LISTEN=listen)
    with pytest.raises(InvalidRequestError, match="DIOPTRA_TOKEN_FILE"):
        settings.load_settings()
    environment(DIOPTRA_LISTEN=listen, DIOPTRA_TOKEN_FILE=str(tmp_path / "token"))
    assert settings.load_settings().listen == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:1", "[::1]:1", "127.3.2.1:65535"])
def test_loopback_needs_no_token(environment, listen):
    environment(DIOPTRA_LISTEN=listen)
    assert settings.load_settings().token_file is None


@pytest.mark.parametrize("listen", ["127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536"])
def test_an_address_has_a_port(environment, listen):
    environment(DIOPTRA_LISTEN=listen)
    with pytest.raises(InvalidRequestError, match="HOST:PORT"):
        settings.load_settings()


def test_tokens_are_read_trimmed(tmp_path):
    file = tmp_path / "token"
    file.write_text(" secret \n")
    assert settings.read_token(file) == "secret"
    assert settings.read_token(None) is None


@pytest.mark.parametrize("content", ["", " \n", None])
def test_a_token_file_without_a_token_is_refused(tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidRequestError, match="token"):
        settings.read_token(file)
