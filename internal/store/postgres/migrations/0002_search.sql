-- +goose Up

-- A GIN index is never used where row level security applies, because its operators are not leakproof. The functions
-- below therefore run as the owner of the tables, for whom alone these policies let rows through, and each keeps to
-- one rule: what it gives belongs to the tenant of the transaction, whom it names in every statement that gives
-- anything. match_words gives numbers and no text; who asked reads the texts under row level security as ever.
CREATE POLICY matcher ON words FOR SELECT TO CURRENT_USER USING (true);
CREATE POLICY matcher ON identifiers FOR SELECT TO CURRENT_USER USING (true);

-- What compares all vectors that a filter lets through comes from its documents.
CREATE INDEX vectors_document ON vectors (tenant, document);

-- threshold_query gives a tsquery that holds for every row whose score can reach bar, and for as few others as
-- depth conjunctions tell apart; '' where no row can. terms are lexemes in quotes, the rarest first; most is how much
-- each can add to a score, and rest how much it and those after it can together.
-- +goose StatementBegin
CREATE FUNCTION threshold_query(terms text[], most float8[], rest float8[], start int, bar float8, depth int) RETURNS text
    LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    n    int  := cardinality(terms);
    whole text := '';
    part text;
BEGIN
    FOR i IN start..n LOOP -- rows whose rarest term is this one
        EXIT WHEN rest[i] < bar;
        part := terms[i];
        IF most[i] < bar AND depth > 1 THEN
            part := fairlead.threshold_query(terms, most, rest, i + 1, bar - most[i], depth - 1);
            CONTINUE WHEN part = '';
            part := terms[i] || ' & (' || part || ')';
        END IF;
        whole := whole || CASE WHEN whole = '' THEN '' ELSE ' | ' END || part;
    END LOOP;
    RETURN whole;
END
$$;
-- +goose StatementEnd

-- match_words ranks the passages of a collection by BM25, as retrieval/analysis has it: sought are terms without the
-- collection's prefix, known how many passages have each where that is known already (NULL elsewhere), passages and mean
-- those of the collection, and docs the documents to keep to (NULL: all). It gives rows of three kinds:
--   0  a hit: the number of a passage and its score
--   1  how many passages have a term that was not known: its place from 1, and the number
--   2  how many passages the terms have, summed, and in score 1 where some were left out unread, 0 where none was
--
-- Rating a row costs several times what finding it does. Where there would be many, passages that have two of the
-- rarest terms are rated first; then only those that can still score as much as the last of the best of these, by the
-- most that each term can add (Broder et al., "Efficient query evaluation using a two-level retrieval process", 2003:
-- WAND). What is found is the same; fewer rows are rated.
-- +goose StatementBegin
CREATE FUNCTION match_words(coll bigint, sought text[], known bigint[], passages bigint, mean float8, ceiling smallint, docs bigint[], most_hits int)
    RETURNS TABLE (kind smallint, id bigint, score float8)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    -- Whoever calls may have switched these off for a statement of its own. The words of all tenants are never gone
    -- through one by one, however many of them a term has.
    SET enable_seqscan = off SET enable_bitmapscan = on SET enable_sort = on SET enable_indexscan = on SET enable_hashjoin = on SET enable_material = on
    AS $$
DECLARE
    who       text := nullif(current_setting('app.tenant', true), '');
    all_rated CONSTANT bigint := 5000;   -- up to how many rows all are rated
    seeds     CONSTANT int    := 1500;   -- how many rows are rated first where there are more
    counted   CONSTANT bigint := 100000; -- up to how many rows a term's are counted; beyond it the planner's guess will do
    terms     text[] := '{}';            -- those that are there, as lexemes in quotes
    counts    bigint[] := '{}';
    weights   float8[] := '{}';          -- what they add at most
    rest      float8[];
    lexeme    text;
    n         bigint;
    matches   bigint := 0;
    guess     json;
    size      text;
    rating    text := '';
    ranked    text;
    query     text;
    early     text := '';
    bar       float8;
    found     bigint;
BEGIN
    kind := 0;
    -- No other tenant's collection is counted or ranked, whatever number comes in.
    IF NOT EXISTS (SELECT FROM fairlead.collections c WHERE c.tenant = who AND c.id = coll) OR passages <= 0 THEN
        RETURN;
    END IF;
    FOR i IN 1..cardinality(sought) LOOP
        lexeme := '''' || replace(replace(coll || ':' || sought[i], '\', '\\'), '''', '''''') || '''';
        n := known[i];
        IF n IS NULL THEN
            EXECUTE format('SELECT count(*) FROM (SELECT FROM fairlead.words w WHERE w.lexemes @@ %L::tsquery LIMIT %s) x', lexeme, counted) INTO n;
            IF n = counted THEN
                EXECUTE format('EXPLAIN (FORMAT JSON) SELECT FROM fairlead.words w WHERE w.lexemes @@ %L::tsquery', lexeme) INTO guess;
                n := least(passages, greatest(n, (guess -> 0 -> 'Plan' ->> 'Plan Rows')::float8::bigint));
            END IF;
            kind := 1; id := i; score := n;
            RETURN NEXT;
        END IF;
        IF n > 0 THEN
            matches := matches + n;
            terms := terms || lexeme;
            counts := counts || n;
            weights := weights || 2.2 * greatest(CASE WHEN n <= passages THEN ln((passages - n + 0.5) / (n + 0.5)) ELSE 0 END, 1e-6);
        END IF;
    END LOOP;
    n := cardinality(terms);
    IF n = 0 THEN
        RETURN;
    END IF;

    -- f·(k1+1)/(f+K) is (k1+1)·(1 − K/(f+K)), so that the frequency is worked out once. For a query of one lexeme
    -- ts_rank_cd is the sum of the weights of its positions: half of f.
    size := format('(0.3 + %s::float8 * w.length)', 0.9 / mean);
    FOR i IN 1..n LOOP
        rating := rating || CASE WHEN i > 1 THEN ' + ' ELSE '' END || format(
            'CASE WHEN w.lexemes @@ %1$L::tsquery THEN %2$s::float8 * (1 - %3$s / (2 * ts_rank_cd(''{0.5,0.5,0.75,1}''::float4[], w.lexemes, %1$L::tsquery) + %3$s)) ELSE 0 END',
            terms[i], weights[i], size);
    END LOOP;
    -- IS TRUE, so that no list of all of the collection is read: the lexemes alone find its rows, and the planner would guess.
    ranked := format('SELECT w.passage, (%s) AS score FROM fairlead.words w WHERE (w.tenant = %L) IS TRUE AND (w.collection = %s) IS TRUE AND w.label <= %s', rating, who, coll, ceiling)
        || CASE WHEN docs IS NULL THEN '' ELSE ' AND w.document = ANY ($1)' END || ' AND w.lexemes @@ %L::tsquery';

    SELECT array_agg(t ORDER BY c, o), array_agg(w ORDER BY c, o) INTO terms, weights
        FROM unnest(terms, counts, weights) WITH ORDINALITY u (t, c, w, o);
    query := array_to_string(terms, ' | ');
    kind := 2; id := matches; score := 0;
    IF matches > all_rated AND n > 1 THEN
        rest := weights;
        FOR i IN REVERSE n - 1..1 LOOP
            rest[i] := rest[i] + rest[i + 1];
        END LOOP;
        FOR i IN 1..least(n - 1, 5) LOOP
            FOR j IN i + 1..least(n, 6) LOOP
                early := early || CASE WHEN early = '' THEN '' ELSE ' | ' END || terms[i] || ' & ' || terms[j];
            END LOOP;
        END LOOP;
        EXECUTE format('SELECT min(y.score), count(*) FROM (SELECT x.score FROM (' || ranked || ' LIMIT %s) x ORDER BY x.score DESC LIMIT %s) y', early, seeds, most_hits)
            INTO bar, found USING docs;
        IF found >= most_hits THEN
            -- A hair below, so that sums of the same numbers in another order do not leave out an equal.
            query := fairlead.threshold_query(terms, weights, rest, 1, bar * (1 - 1e-9), CASE WHEN n > 12 THEN 1 ELSE 2 END);
            score := 1;
        END IF;
    END IF;
    RETURN NEXT;
    RETURN QUERY EXECUTE format('SELECT 0::smallint, x.passage, x.score FROM (' || ranked || ') x ORDER BY x.score DESC, x.passage LIMIT %s', query, most_hits) USING docs;
END
$$;
-- +goose StatementEnd

-- near_identifiers gives those of a collection's identifiers that are most like one that it does not have, at most
-- five. Nothing where it has it. What stands only in documents above the ceiling is not there.
-- +goose StatementBegin
DO $do$
DECLARE
    extension text := (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm');
BEGIN
    EXECUTE replace($f$
CREATE FUNCTION near_identifiers(coll bigint, sought text, ceiling smallint) RETURNS SETOF text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET enable_seqscan = on SET enable_bitmapscan = on SET enable_sort = on SET enable_indexscan = on
    AS $$
DECLARE
    who text := nullif(current_setting('app.tenant', true), '');
BEGIN
    IF EXISTS (SELECT FROM fairlead.document_identifiers i JOIN fairlead.documents d ON d.tenant = i.tenant AND d.id = i.document
            WHERE i.tenant = who AND i.collection = coll AND i.identifier = sought AND d.label <= ceiling) THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format('SELECT n.identifier::text FROM fairlead.identifiers n
        WHERE n.tenant = %1$L AND n.collection = %2$s AND n.identifier OPERATOR(EXTENSION.%%) %3$L AND EXTENSION.similarity(n.identifier, %3$L) >= 0.4
            AND EXISTS (SELECT FROM fairlead.document_identifiers i JOIN fairlead.documents d ON d.tenant = i.tenant AND d.id = i.document
                WHERE i.tenant = n.tenant AND i.collection = n.collection AND i.identifier = n.identifier AND d.label <= %4$s)
        ORDER BY EXTENSION.similarity(n.identifier, %3$L) DESC, n.identifier LIMIT 5', who, coll, sought, ceiling);
END
$$
$f$, 'EXTENSION', extension);
END
$do$;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION threshold_query, match_words, near_identifiers FROM PUBLIC;

-- Indexes of nearest neighbours for the usual lengths of vectors; those for others are made by fairlead db index. They
-- hold all tenants: a search goes on through one until it has found enough that may be seen.
CREATE INDEX vectors_hnsw_256 ON vectors USING hnsw ((embedding::halfvec(256)) halfvec_cosine_ops) WHERE dimensions = 256;
CREATE INDEX vectors_hnsw_384 ON vectors USING hnsw ((embedding::halfvec(384)) halfvec_cosine_ops) WHERE dimensions = 384;
CREATE INDEX vectors_hnsw_512 ON vectors USING hnsw ((embedding::halfvec(512)) halfvec_cosine_ops) WHERE dimensions = 512;
CREATE INDEX vectors_hnsw_768 ON vectors USING hnsw ((embedding::halfvec(768)) halfvec_cosine_ops) WHERE dimensions = 768;
CREATE INDEX vectors_hnsw_1024 ON vectors USING hnsw ((embedding::halfvec(1024)) halfvec_cosine_ops) WHERE dimensions = 1024;
CREATE INDEX vectors_hnsw_1536 ON vectors USING hnsw ((embedding::halfvec(1536)) halfvec_cosine_ops) WHERE dimensions = 1536;
CREATE INDEX vectors_hnsw_3072 ON vectors USING hnsw ((embedding::halfvec(3072)) halfvec_cosine_ops) WHERE dimensions = 3072;

-- +goose Down
DROP INDEX vectors_hnsw_256, vectors_hnsw_384, vectors_hnsw_512, vectors_hnsw_768, vectors_hnsw_1024, vectors_hnsw_1536, vectors_hnsw_3072, vectors_document;
DROP FUNCTION near_identifiers, match_words, threshold_query;
DROP POLICY matcher ON identifiers;
DROP POLICY matcher ON words;
