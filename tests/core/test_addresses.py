import pytest

from holdfast.core.addresses import is_place, masked


@pytest.mark.parametrize(
    "text",
    [
        "https://ann:s3cret@mlflow.example/api",
        "http://[::1]:5000",
        "sqlite:///runs.db",
        "postgresql+psycopg://ann@db/mlflow",
        "file:///tmp/mlruns",
        "databricks",
        "databricks://team",
        "/var/mlruns",
        "./mlruns",
        "C:\\mlruns",
    ],
)
def test_servers_databases_and_folders_are_places(text: str) -> None:
    assert is_place(text)


@pytest.mark.parametrize("text", ["notaurl", "", "http://", "http:/x", "ftq://host", "http://[::1"])
def test_what_leads_nowhere_is_no_place(text: str) -> None:
    assert not is_place(text)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:s3cret@mlflow.example/api", "https://***@mlflow.example/api"),
        ("https://s3cret@mlflow.example", "https://***@mlflow.example"),
        ("postgresql://ann:s3/cr@et:@db/mlflow", "postgresql://***@db/mlflow"),
        ("http://h:5000/?token=s3cret&page=2", "http://h:5000/?token=***&page=2"),
        ("db://h/x?user=ann&sslpassword=s3cret", "db://h/x?user=ann&sslpassword=***"),
        ("cannot reach 'http://a:s3cret@h/x', gave up", "cannot reach 'http://***@h/x', gave up"),
    ],
)
def test_what_opens_an_address_is_not_shown(address: str, shown: str) -> None:
    assert masked(address) == shown


def test_an_address_without_secrets_is_shown_as_it_is() -> None:
    assert masked("http://127.0.0.1:5000/#/experiments/1") == "http://127.0.0.1:5000/#/experiments/1"
