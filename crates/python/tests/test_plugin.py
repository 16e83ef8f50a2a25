"""The plugin, as another pytest finds it."""


def test_the_server_starts_with_the_first_card(inner):
    pytest_process = inner(
        """
        import os

        BEFORE = os.environ.get("VSCHSM_CONTROL")

        def test_before():
            assert os.environ.get("VSCHSM_CONTROL") == BEFORE

        def test_card(smartcard_hsm):
            smartcard_hsm()
            assert os.environ["VSCHSM_CONTROL"] != BEFORE
        """
    )

    code, output = pytest_process.ended()

    assert code == 0, output
    assert "2 passed" in output


def test_the_readers_of_a_failed_test_go_too(inner):
    pytest_process = inner(
        """
        from smartcard.System import readers

        def test_fails(smartcard_hsm):
            connection = smartcard_hsm().connect()
            assert connection is None

        def test_sees_nothing(smartcard_hsm_server):
            assert readers() == []
        """
    )

    code, output = pytest_process.ended()

    assert "1 failed, 1 passed" in output and "rror ignored" not in output, output


def test_a_card_of_a_wider_scope_stays_for_its_tests(inner):
    pytest_process = inner(
        """
        import pytest

        @pytest.fixture(scope="module")
        def card(smartcard_hsm_server):
            card = smartcard_hsm_server.insert(label="stays")
            yield card
            card.unplug()

        def test_one(card, smartcard_hsm):
            smartcard_hsm()
            card.set_tries(user_pin=1)

        def test_two(card):
            assert card.show()["user_pin"]["tries_left"] == 1
        """
    )

    code, output = pytest_process.ended()

    assert code == 0, output


def test_each_worker_of_xdist_has_its_server(inner, pytester):
    pytest_process = inner(
        """
        from smartcard.System import readers

        def test_alone(smartcard_hsm, smartcard_hsm_server, worker_id):
            card = smartcard_hsm()
            assert [reader.name for reader in readers()] == [card.reader]
            with open(worker_id, "x") as file:
                file.write(smartcard_hsm_server.variables["VSCHSM_CONTROL"])
        """,
        "--dist=each", "--tx=2*popen",
    )

    code, output = pytest_process.ended()

    assert code == 0, output
    sockets = {(pytester.path / worker).read_text() for worker in ("gw0", "gw1")}
    assert len(sockets) == 2


def test_who_used_pcsc_before_is_told_why_there_is_no_card(inner):
    pytest_process = inner(
        """
        import pytest
        import vschsm
        from smartcard import scard

        def test_late(request):
            scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
            card = request.getfixturevalue("smartcard_hsm")()
            with pytest.raises(vschsm.Error, match="used PC/SC before"):
                card.connect()
        """
    )

    code, output = pytest_process.ended()

    assert code == 0, output
