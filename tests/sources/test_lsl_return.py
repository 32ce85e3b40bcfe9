"""What is taken back, what is asked of the user, and that nothing is asked of a stream twice."""

from dataclasses import replace

import pytest

from bci_stream.errors import StreamFormatError
from bci_stream.sources.lsl_return import Return
from tests.sources.test_lsl_identity import CAP, described

FIRST = described(uid="u1", at="100.0")
BACK = described(uid="u2", at="300.0")


def refused(way, header):
    with pytest.raises(StreamFormatError) as caught:
        way.check(header)
    way.refuse(header.uid, str(caught.value))
    return str(caught.value)


def test_the_stream_itself_is_taken_and_nothing_is_left_to_say():
    way = Return(FIRST)
    assert way.candidate([]) is None
    assert way.candidate([BACK]) is BACK
    way.check(BACK)
    way.take(BACK)
    assert (way.bound, way.refusal, way.asked) == (BACK, "", None)
    assert way.candidate([BACK], present_uid="u2") is None


def test_one_with_other_labels_is_refused_once_and_is_no_twin_of_the_true_one():
    way = Return(replace(FIRST, ch_names=("C3", "C4")))
    other = replace(BACK, uid="u9", ch_names=("C4", "C3"))
    assert way.candidate([other]) is other
    assert "labels" in refused(way, other)
    assert way.candidate([other]) is None
    assert "labels" in way.refusal
    assert way.candidate([other, BACK]) is BACK
    assert not way.agree(), "samples would be others: begin anew"


def test_another_description_waits_for_the_users_word():
    way, other = Return(FIRST), described("<a>2</a>")
    assert way.candidate([other]) is other
    assert "agree" in refused(way, other)
    assert way.candidate([other]) is None
    assert way.agree()
    assert way.candidate([other]) is other
    way.check(other)
    way.take(other)
    assert not way.agree()
    assert way.candidate([FIRST]) is FIRST
    assert "description" in refused(way, FIRST), "the other one is bound now"


def test_the_users_word_is_for_that_stream_and_for_what_was_said_of_it():
    way = Return(FIRST)
    moved = described("<a>2</a>", host="elsewhere")
    assert way.candidate([moved]) is None
    assert "hostname" in way.refusal
    assert way.agree()
    assert way.candidate([moved]) is moved
    assert "description" in refused(way, moved), "that had not been said"
    assert way.candidate([moved]) is None
    assert way.agree()
    assert way.candidate([moved]) is moved
    way.check(moved)
    another = replace(moved, uid="u7")
    assert way.candidate([another]) is None


def test_two_are_none_and_nobody_can_agree_to_two():
    way = Return(CAP)
    twins = [replace(BACK, xml=""), replace(BACK, uid="u3", xml="")]
    assert way.candidate(twins) is None
    assert "2 streams claim" in way.refusal
    assert not way.agree()
