-- Who had which role when
-- depends: customer-registry-0001-register

-- migrate: apply
CREATE TABLE posts_held (
    person text NOT NULL,
    role text NOT NULL,
    -- Empty for a role in the whole company: a key has no NULLs.
    department text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    granted_by text NOT NULL,
    second_by text,
    revoked_by text,
    PRIMARY KEY (person, role, department, since)
);
-- What somebody has now, to be closed when it is taken away.
CREATE INDEX posts_held_now ON posts_held (person) WHERE until IS NULL;

-- migrate: rollback
DROP TABLE posts_held;
