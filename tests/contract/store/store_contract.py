"""What every artifact store must do, whatever holds its bytes."""

from tests.contract.store.contract_artifacts import ArtifactContract
from tests.contract.store.contract_blobs import BlobContract
from tests.contract.store.contract_concurrency import ConcurrencyContract
from tests.contract.store.contract_failures import FailureContract


class StoreContract(BlobContract, ArtifactContract, FailureContract, ConcurrencyContract):
    """Subclasses give the fixture `store`."""
