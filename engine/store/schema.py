"""Owns the tables of the database and their migrations; refuses queries.

``MIGRATIONS[n]`` takes a database from ``user_version`` n to n + 1. Released ones never change.
Instants are nanoseconds since the epoch; ``options``, ``config`` and the like are msgspec JSON.
"""

from __future__ import annotations

_FIRST = """
CREATE TABLE layer (
    chain_id  TEXT PRIMARY KEY,
    parent    TEXT,                    -- chain id of the layer below, NULL at the bottom
    diff_id   TEXT NOT NULL,
    size      INTEGER NOT NULL,        -- bytes of file content in the tree
    created   INTEGER NOT NULL,
    blob      TEXT                     -- digest of the layer blob as received; NULL: the tree makes it
) STRICT;

CREATE TABLE image (
    id        TEXT PRIMARY KEY,        -- digest of the config blob
    manifest  TEXT,                    -- digest of the manifest blob it came with, if any
    created   INTEGER NOT NULL,        -- as the config says, for lists
    added     INTEGER NOT NULL,
    size      INTEGER NOT NULL
) STRICT;

CREATE TABLE image_layer (
    image_id  TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL,        -- 0 is the bottom
    chain_id  TEXT NOT NULL REFERENCES layer (chain_id),
    PRIMARY KEY (image_id, position)
) STRICT;
CREATE INDEX image_layer_chain ON image_layer (chain_id);

CREATE TABLE image_name (
    name      TEXT PRIMARY KEY,        -- normalised: docker.io/library/busybox:latest
    image_id  TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    tagged    INTEGER NOT NULL
) STRICT;
CREATE INDEX image_name_image ON image_name (image_id);

CREATE TABLE container (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    image       TEXT NOT NULL,         -- the reference as the user wrote it
    image_id    TEXT NOT NULL,
    created     INTEGER NOT NULL,
    options     BLOB NOT NULL,         -- engine.options.CreateOptions
    config      BLOB NOT NULL,         -- engine.oci.config.ContainerConfig, options applied
    mounts      BLOB NOT NULL,         -- tuple[engine.records.MountPoint, ...]
    ports       BLOB NOT NULL,         -- tuple[engine.records.PortBinding, ...] while it runs
    endpoints   BLOB NOT NULL,         -- tuple[engine.records.Endpoint, ...] while it runs
    chain_id    TEXT,                  -- the top layer it stands on; kept from garbage collection
    desired     TEXT NOT NULL,         -- intent: created, running, stopped, removing
    stopped_by_user INTEGER NOT NULL DEFAULT 0,
    state       BLOB NOT NULL          -- engine.records.ContainerState: facts as last folded in
) STRICT;

CREATE TABLE network (
    id        TEXT PRIMARY KEY,
    name      TEXT NOT NULL UNIQUE,
    created   INTEGER NOT NULL,
    record    BLOB NOT NULL            -- engine.records.Network
) STRICT;

CREATE TABLE lease (
    network_id   TEXT NOT NULL REFERENCES network (id) ON DELETE CASCADE,
    address      TEXT NOT NULL,
    owner        TEXT NOT NULL,        -- container id, or build step id
    leased       INTEGER NOT NULL,
    PRIMARY KEY (network_id, address)
) STRICT;
CREATE INDEX lease_owner ON lease (owner);

CREATE TABLE volume (
    name      TEXT PRIMARY KEY,
    created   INTEGER NOT NULL,
    anonymous INTEGER NOT NULL,
    labels    BLOB NOT NULL
) STRICT;

CREATE TABLE volume_use (
    volume       TEXT NOT NULL REFERENCES volume (name),
    container_id TEXT NOT NULL REFERENCES container (id) ON DELETE CASCADE,
    PRIMARY KEY (volume, container_id)
) STRICT;

CREATE TABLE build_cache (
    key       TEXT PRIMARY KEY,        -- digest over parent, instruction and content
    chain_id  TEXT NOT NULL REFERENCES layer (chain_id) ON DELETE CASCADE,
    diff_id   TEXT NOT NULL,
    created   INTEGER NOT NULL,
    used      INTEGER NOT NULL
) STRICT;
CREATE INDEX build_cache_chain ON build_cache (chain_id);
"""

_VOLUME_OPTIONS = """
ALTER TABLE volume ADD COLUMN options BLOB NOT NULL DEFAULT x'7b7d';  -- of the local driver: type, o, device
"""

_IMAGE_DIGESTS = """
CREATE TABLE image_digest (
    name      TEXT NOT NULL,           -- of the repository, normalised: docker.io/library/busybox
    digest    TEXT NOT NULL,           -- of what the registry has there: a manifest or an index
    image_id  TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    PRIMARY KEY (name, digest)
) STRICT;
CREATE INDEX image_digest_image ON image_digest (image_id);

INSERT OR IGNORE INTO image_digest (name, digest, image_id)  -- names have a tag: it is cut off
    SELECT rtrim(rtrim(name, replace(name, ':', '')), ':'), manifest, image.id
    FROM image_name JOIN image ON image.id = image_id WHERE manifest IS NOT NULL;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _VOLUME_OPTIONS, _IMAGE_DIGESTS)
