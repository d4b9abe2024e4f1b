"""What is delivered says that a program made it, in ways that machines read; and /verify/ reads it back."""

import io
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta

import av
import pytest
from cryptography import x509
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from jobs.films import boxes
from jobs.labels import authority, signing, sources, xmp
from jobs.labels.manifest_reader import Reader
from jobs.labels.sandbox import LabelSandbox, shared_sandbox
from jobs.lanes import fetching
from tests import factories


@pytest.fixture(scope="module")
def film():
    return factories.tiny_film()


@pytest.fixture
def reader(settings):
    return Reader(authority.anchors(tuple(settings.FIELD_KEYS)), authority.organisations())


def signed_film(data, source=sources.TRAINED):
    with tempfile.TemporaryFile() as film, tempfile.TemporaryFile() as into:
        film.write(data)
        size = signing.sign_film(film, into, source=source)
        into.seek(0)
        signed = into.read()
    assert len(signed) == size
    return signed


def without_label(data):
    """Return the film written anew, as a messenger does."""
    into = io.BytesIO()
    with av.open(io.BytesIO(data)) as source, av.open(into, "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return into.getvalue()


@pytest.mark.parametrize("source", [sources.TRAINED, sources.COMPOSITE])
def test_a_film_and_a_still_say_how_they_came_to_be(film, reader, source):
    for kind, signed in (
        (signing.FILM, signed_film(film, source)),
        (signing.STILL, signing.sign_still(factories.tiny_photo(), source=source)),
    ):
        label = reader.read(signed, kind)
        assert label == {
            "has_label": True,
            "is_valid": True,
            "is_ours": True,
            "source": source,
            "signer": authority.ORGANISATION,
        }
        assert xmp.source_in(signed) == source


def test_a_labelled_film_plays_from_its_beginning_and_a_still_is_the_same_picture(film):
    signed = signed_film(film)
    names = [box.name for box in boxes.listed(io.BytesIO(signed), len(signed))]
    assert names.index(b"moov") < names.index(b"mdat") or b"moov" in names
    with av.open(io.BytesIO(signed)) as one, av.open(io.BytesIO(film)) as other:
        assert [frame.to_ndarray().tobytes() for frame in one.decode(video=0)] == [
            frame.to_ndarray().tobytes() for frame in other.decode(video=0)
        ]
    photo = factories.tiny_photo()
    labelled = signing.sign_still(photo, source=sources.TRAINED)
    with Image.open(io.BytesIO(photo)) as one, Image.open(io.BytesIO(labelled)) as other:
        assert one.tobytes() == other.tobytes()


def test_a_changed_file_has_no_valid_label_and_one_written_anew_has_none(film, reader):
    signed = signed_film(film)
    changed = bytearray(signed)
    changed[signed.index(b"mdat") + 40] ^= 1
    told = reader.read(bytes(changed), signing.FILM)
    assert (told["has_label"], told["is_valid"], told["is_ours"]) == (True, False, False)
    assert not reader.read(without_label(signed), signing.FILM)["has_label"]
    assert not reader.read(b"\xff\xd8 rubbish", signing.STILL)["has_label"]


def test_labels_stay_ours_when_keys_are_rotated_and_are_nobody_s_without_the_key(settings):
    first = settings.FIELD_KEYS[0]
    signed = signing.sign_still(factories.tiny_photo(), source=sources.TRAINED)
    settings.FIELD_KEYS = [Fernet.generate_key().decode(), first]
    rotated = Reader(authority.anchors(tuple(settings.FIELD_KEYS)), authority.organisations())
    assert rotated.read(signed, signing.STILL)["is_ours"]
    newer = signing.sign_still(factories.tiny_photo(), source=sources.TRAINED)
    assert rotated.read(newer, signing.STILL)["is_ours"]
    stranger = Reader(authority.anchors((Fernet.generate_key().decode(),)), authority.organisations())
    told = stranger.read(signed, signing.STILL)
    assert (told["is_valid"], told["is_ours"]) == (True, False)


def test_a_chain_from_elsewhere_signs_when_it_is_given(settings, reader, tmp_path):
    elsewhere = authority.own_signer((Fernet.generate_key().decode(),), now=datetime.now(UTC))
    (tmp_path / "chain.pem").write_bytes(elsewhere.chain)
    (tmp_path / "key.pem").write_bytes(elsewhere.key)
    settings.LABEL_FILES = (tmp_path / "chain.pem", tmp_path / "key.pem")
    signed = signing.sign_still(factories.tiny_photo(), source=sources.TRAINED)
    ours = authority.anchors(tuple(settings.FIELD_KEYS), tmp_path / "chain.pem")
    names = authority.organisations(tmp_path / "chain.pem")
    assert Reader(ours, names).read(signed, signing.STILL)["is_ours"]
    assert not reader.read(signed, signing.STILL)["is_ours"]


def issued_to(organisation, root_key):
    """Return chain and key that an authority has given to somebody, as PEM."""
    key, root, now = ec.generate_private_key(ec.SECP256R1()), authority._root(root_key), datetime.now(UTC)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(authority._usage(is_authority=False), critical=True)
        .add_extension(issuer, critical=False)
        .add_extension(purpose, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    chain = certificate.public_bytes(authority._PEM) + root.public_bytes(authority._PEM)
    return chain, authority._private(key)


def test_of_a_listed_authority_only_what_it_vouches_for_under_our_name_is_ours(settings, tmp_path):
    root_key = ec.generate_private_key(ec.SECP256R1())
    signed = {}
    for name in ("Heroes Ltd", "Somebody Else Ltd"):
        for file, content in zip(("chain.pem", "key.pem"), issued_to(name, root_key), strict=True):
            (tmp_path / f"{name} {file}").write_bytes(content)
        settings.LABEL_FILES = (tmp_path / f"{name} chain.pem", tmp_path / f"{name} key.pem")
        signed[name] = signing.sign_still(factories.tiny_photo(), source=sources.TRAINED)
    chain = tmp_path / "Heroes Ltd chain.pem"
    anchors = authority.anchors(tuple(settings.FIELD_KEYS), chain)
    reader = Reader(anchors, authority.organisations(chain))
    told = {name: reader.read(data, signing.STILL) for name, data in signed.items()}
    assert {name: (said["signer"], said["is_valid"], said["is_ours"]) for name, said in told.items()} == {
        "Heroes Ltd": ("Heroes Ltd", True, True),
        "Somebody Else Ltd": ("Somebody Else Ltd", True, False),
    }


def test_a_chain_that_cannot_sign_is_trouble_of_ours(settings, tmp_path):
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).write_text("no PEM at all")
    settings.LABEL_FILES = (tmp_path / "chain.pem", tmp_path / "key.pem")
    with pytest.raises(signing.NoSigner, match="LABEL_KEY"):
        signing.sign_still(factories.tiny_photo(), source=sources.TRAINED)
    assert (
        next(result for kind, result in fetching._RESULTS if issubclass(signing.NoSigner, kind))
        is fetching.FetchResult.OURS
    )


def test_the_signer_lasts_over_a_year(settings):
    now = datetime.now(UTC)
    assert authority.own_signer(tuple(settings.FIELD_KEYS), now=now).lapses_at - now > timedelta(days=365)


def test_what_is_no_picture_or_film_cannot_be_signed():
    with pytest.raises(signing.LabelFailed):
        signing.sign_still(b"not a JPEG", source=sources.TRAINED)
    with pytest.raises(signing.LabelFailed):
        signed_film(b"not a film")


def test_a_label_costs_little(film):
    began = time.process_time()
    for _ in range(5):
        signed_film(film)
        signing.sign_still(factories.tiny_photo(), source=sources.TRAINED)
    assert (time.process_time() - began) / 5 < 0.06, "about 7 ms when the machine is quiet"


# --- /verify/ -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def one_sandbox():
    yield
    shared_sandbox().close()


def drop(data, name="x.mp4"):
    return Client().post("/verify/", {"file": SimpleUploadedFile(name, data)})


@pytest.mark.django_db
def test_a_dropped_file_is_told_from_others(film):
    signed = signed_film(film)
    changed = bytearray(signed)
    changed[signed.index(b"mdat") + 40] ^= 1
    for data, verdict in ((signed, "ours"), (bytes(changed), "changed"), (film, "none")):
        answer = drop(data)
        assert answer.status_code == 200
        assert f'data-verdict="{verdict}"' in answer.content.decode()
        assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_another_authority_s_label_is_not_ours(settings):
    mine = settings.FIELD_KEYS
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    foreign = signing.sign_still(factories.tiny_photo(), source=sources.TRAINED)
    settings.FIELD_KEYS = mine
    assert 'data-verdict="other"' in drop(foreign, "x.jpg").content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize(("data", "status"), [(b"hello", 422), (b"", 422), (b"\xff\xd8\xff" + bytes(12 * 2**20), 413)])
def test_what_cannot_be_looked_at_is_said(data, status):
    answer = drop(data)
    assert answer.status_code == status
    assert 'role="alert"' in answer.content.decode()


def test_strangers_files_are_read_without_rights():
    with LabelSandbox(shared_sandbox_anchors(), authority.organisations()) as sandbox:
        assert sandbox.read(b"\xff\xd8\xff\xd9", signing.STILL).has_label is False
        assert sandbox.read(os.urandom(5000), signing.FILM).has_label is False
        assert sandbox.confinement


def shared_sandbox_anchors():
    return authority.anchors((Fernet.generate_key().decode(),))
