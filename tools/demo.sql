-- Scores the rows of models/data with the ready models; run by tools/demo.
\pset null '-'
CREATE TABLE iris (sepal_length real, sepal_width real, petal_length real, petal_width real, species text);
\copy iris FROM models/data/iris.csv CSV HEADER
CREATE TABLE wine (x real[], cultivar int);
CREATE TEMP TABLE wine_in (alcohol real, malic_acid real, ash real, alcalinity_of_ash real, magnesium real, total_phenols real, flavanoids real, nonflavanoid_phenols real, proanthocyanins real, color_intensity real, hue real, od280 real, proline real, cultivar int);
\copy wine_in FROM models/data/wine.csv CSV HEADER
INSERT INTO wine SELECT ARRAY[alcohol, malic_acid, ash, alcalinity_of_ash, magnesium, total_phenols, flavanoids, nonflavanoid_phenols, proanthocyanins, color_intensity, hue, od280, proline], cultivar FROM wine_in;
CREATE TABLE patients (age_group text, sex text, bmi real, pressure real, glucose bigint, high_ldl boolean, outcome text);
\copy patients FROM models/data/patients.csv CSV HEADER
CREATE TABLE digits (digit int, pixels real[]);
\copy digits FROM models/data/digits.csv CSV HEADER
CREATE TABLE topics (topic text, sentence text);
\copy topics FROM models/data/topics.csv CSV HEADER

\echo
\echo 'The models:'
SELECT name, size AS bytes, producer, flops AS operations FROM maas.models ORDER BY name;

\echo 'iris: a row, inputs in the order of its columns'
SELECT i.*, maas_classify('iris', r) AS predicted
FROM iris i, LATERAL (SELECT i.sepal_length, i.sepal_width, i.petal_length, i.petal_width) r LIMIT 4;

\echo 'topics: text in, text out'
SELECT left(sentence, 60) AS sentence, topic, maas_classify('topics', ARRAY[sentence]) AS predicted FROM topics LIMIT 3;

\echo 'How often each model is right on rows that it has not seen:'
SELECT 'iris' AS model, count(*) AS rows, round(avg((maas_classify('iris', r) = i.species)::int), 3) AS accuracy
FROM iris i, LATERAL (SELECT i.sepal_length, i.sepal_width, i.petal_length, i.petal_width) r
UNION ALL
SELECT 'wine', count(*), round(avg((maas_classify('wine', x) = cultivar::text)::int), 3) FROM wine
UNION ALL
SELECT 'patients', count(*), round(avg((maas_classify('patients', r) = p.outcome)::int), 3)
FROM patients p, LATERAL (SELECT p.age_group, p.sex, p.bmi, p.pressure, p.glucose, p.high_ldl) r
UNION ALL
SELECT 'digits', count(*), round(avg((maas_classify('digits', maas_reshape(pixels::tensor, '{1,8,8}')) = digit::text)::int), 3) FROM digits
UNION ALL
SELECT 'topics', count(*), round(avg((maas_classify('topics', ARRAY[sentence]) = topic)::int), 3) FROM topics;
