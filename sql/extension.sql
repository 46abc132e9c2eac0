-- The extension is there, with its version.
SELECT extversion FROM pg_extension WHERE extname = 'maas';
SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'maas';
