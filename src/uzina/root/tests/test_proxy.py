"""What the way into notebooks hands on, and what it keeps."""

import pytest

from uzina.compute.rules.sessions import check_door
from uzina.core.errors import Refused
from uzina.root.middleware import content_security_policy
from uzina.root.proxy import carried

DOOR = {"host": "127.0.0.1", "port": 40_000, "token": "t" * 43, "base": "/sessions/JOB-7Q3K2M/"}


def test_cookies_and_the_hop_s_headers_stay_here_and_the_token_is_added():
    headers = {
        "Cookie": "uzina_session=secret; sessionid=portal",
        "Authorization": "Bearer portal",
        "Connection": "Upgrade",
        "Origin": "http://notebooks.example",
        "Accept": "text/html",
    }
    assert carried(headers, token="tok", host="n1:40000") == {
        "Accept": "text/html",
        "Authorization": "token tok",
        "Host": "n1:40000",
    }


def test_a_door_on_this_machine_is_believed():
    assert check_door(DOOR, "") == ("127.0.0.1", 40_000, "t" * 43, "/sessions/JOB-7Q3K2M/")


@pytest.mark.parametrize(
    ("hosts", "change"),
    [
        ("", {"host": "10.0.0.1"}),
        ("n[0-9]+", {"host": "127.0.0.1"}),
        ("n[0-9]+", {"host": "n1.evil.example"}),
        ("", {"host": "127.0.0.1@evil"}),
        ("", {"port": 1023}),
        ("", {"port": 65_536}),
        ("", {"port": "40000"}),
        ("", {"port": True}),
        ("", {"token": "a b"}),
        ("", {"token": "x\r\nHost: evil"}),
        ("", {"base": "/sessions/../"}),
        ("", {"base": None}),
    ],
)
def test_a_door_that_leads_elsewhere_is_not_believed(hosts, change):
    with pytest.raises(Refused) as refused:
        check_door(DOOR | change, hosts)
    assert refused.value.code == "session.open.elsewhere"


@pytest.mark.parametrize("door", [{}, None, [], "door"])
def test_without_a_door_the_notebook_is_starting(door):
    with pytest.raises(Refused) as refused:
        check_door(door, "")
    assert refused.value.code == "session.open.not_ready"


def test_a_node_that_the_operator_named_is_believed():
    assert check_door(DOOR | {"host": "n12"}, "n[0-9]+")[0] == "n12"


def test_only_the_form_that_opens_a_notebook_may_lead_off_the_portal():
    policy = content_security_policy()
    assert "form-action 'self' http://127.0.0.1:8001;" in policy
    assert "script-src 'self';" in policy
