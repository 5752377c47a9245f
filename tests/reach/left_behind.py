"""What a registry's server holds, before and after something that must leave nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from support.servers import Server


def contents(server: Server) -> dict[str, set[str]]:
    """Registered models, copies that are not deleted, and files of a server."""
    client = MlflowClient(tracking_uri=server.uri, registry_uri=server.uri)
    experiments = [each.experiment_id for each in client.search_experiments()]
    folder = Path(urlsplit(server.database_uri).path[1:]).parent / "artifacts"
    return {
        "models": {each.name for each in client.search_registered_models()},
        "runs": {each.info.run_id for each in client.search_runs(experiments)},
        "logged models": {each.model_id for each in client.search_logged_models(experiments)},
        "files": {str(each) for each in folder.rglob("*") if each.is_file()},
    }
