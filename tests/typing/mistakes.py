"""What a user's mypy must find; each line names the error. Checked by ``test_public_api.py``."""

from hokusai.core import ModelRegistry
from hokusai.evaluation.deltaone_evaluator import detect_delta_one, explain_delta_one

registry = ModelRegistry()
registry.register_tokenized_model("runs:/1/model", "model", "IMG-001")  # call-arg
registry.register_tokenized_model("runs:/1/m", "model", "IMG-001", "accuracy", None)  # arg-type
registry.get_model_lineage(7)  # arg-type
registry.list_models_by_tokens("IMG-001")  # attr-defined
detect_delta_one("model", "http://127.0.0.1:5000")  # arg-type
explain_delta_one("model").outcome  # union-attr
achieved: str = detect_delta_one("model")  # assignment
for version in registry.get_model_lineage("model"):
    version.parent.name  # union-attr
