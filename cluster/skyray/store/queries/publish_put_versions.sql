-- A new version, or another edition of one that has no runs yet.
INSERT INTO dag_version AS v (dag_id, version, spec, spec_hash, source_hash, bundle_digest)
SELECT dag_id, version, spec, spec_hash, source_hash, %(digest)s::text
  FROM unnest(
    %(dag_id)s::text[], %(version)s::integer[], %(spec)s::json[], %(spec_hash)s::text[], %(source_hash)s::text[]
  ) AS new (dag_id, version, spec, spec_hash, source_hash)
    ON CONFLICT (dag_id, version) DO UPDATE
   SET edition = v.edition + 1, spec = excluded.spec, spec_hash = excluded.spec_hash, source_hash = excluded.source_hash,
       bundle_digest = excluded.bundle_digest, created_at = now()
