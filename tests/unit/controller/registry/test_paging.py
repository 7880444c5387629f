import base64
import json

import pytest

from dioptra_controller import paging
from dioptra_ray.errors import InvalidRequestError


@pytest.mark.parametrize("after", [["name"], [17], ["ä\n\0", -3], [""]])
def test_tokens_give_the_key_back(after):
    assert paging.decode(paging.encode(after, "jobs", 1), "jobs", 1) == tuple(after)


def test_no_token_is_the_first_page():
    assert paging.decode("", "jobs") is None


@pytest.mark.parametrize("query", [("jobs",), ("jobs", 2), ("sweeps", 1), ("jobs", "1"), ()])
def test_a_token_of_another_query_is_refused(query):
    with pytest.raises(InvalidRequestError, match="another query"):
        paging.decode(paging.encode([5], "jobs", 1), *query)


def test_a_token_with_another_key_is_refused():
    token = paging.encode([5], "jobs")
    content = json.loads(base64.urlsafe_b64decode(token + "=="))
    forged = base64.urlsafe_b64encode(json.dumps([content[0], "x"]).encode()).decode()
    with pytest.raises(InvalidRequestError):
        paging.decode(forged, "jobs")


@pytest.mark.parametrize("token", ["x", "!", "e30", "ä", "IiI", "\0", "bnVsbA"])
def test_damaged_tokens_are_refused(token):
    with pytest.raises(InvalidRequestError):
        paging.decode(token, "jobs")


@pytest.mark.parametrize(("asked", "size"), [(0, 50), (1, 1), (1000, 1000), (5000, 1000)])
def test_page_sizes(asked, size):
    assert paging.page_size(asked) == size


def test_negative_page_sizes_are_refused():
    with pytest.raises(InvalidRequestError, match="-1"):
        paging.page_size(-1)


def test_a_full_last_page_has_no_token():
    def page(rows):
        return paging.slice_page(rows, 2, "q", key=lambda row: [row])

    assert page([]) == paging.Page(rows=())
    assert page([1, 2]) == paging.Page(rows=(1, 2))
    more = page([1, 2, 3])
    assert more.rows == (1, 2)
    assert paging.decode(more.next_token, "q") == (2,)
