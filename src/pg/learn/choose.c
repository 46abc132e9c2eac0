/*
 * choose.c - an architecture for who gives none: by what goes in and how many rows there are.
 *
 * One image: convolutions.  All else: dense layers on everything that goes in, wider where there are more rows; of
 * a text, the mean of its words' vectors goes in.
 */
#include "postgres.h"
#include "compat.h"

#include "lib/stringinfo.h"
#include "access/htup_details.h"
#include "common/hashfn.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "choose.h"
#include "source.h"

#define SMALLEST_IMAGE 8
#define LOOK_ROWS 200 /* at which it is seen what is a text */
#define TEXT_WORDS 4  /* at least, in the mean */
#define TEXT_TOKENS 10000
#define TEXT_WIDTH 32

/* ---- texts ---- */

/* What was seen of one column. */
typedef struct Look {
    int n, n_words, n_hashes;
    uint64 hashes[LOOK_ROWS]; /* of different values */
} Look;

static void LookAt(Look *look, MaasStr text)
{
    uint64 hash = hash_bytes_extended((const unsigned char *)text.data, (int)text.length, 0);
    bool space = true;
    int i = 0;

    for (size_t at = 0; at < text.length && look->n_words < PG_INT32_MAX; at++) {
        bool here = text.data[at] == ' ' || text.data[at] == '\n' || text.data[at] == '\t';

        look->n_words += space && !here;
        space = here;
    }
    look->n++;
    while (i < look->n_hashes && look->hashes[i] != hash)
        i++;
    if (i == look->n_hashes)
        look->hashes[look->n_hashes++] = hash;
}

static bool IsText(const Look *look)
{
    return look->n >= 20 && look->n_words >= TEXT_WORDS * look->n && look->n_hashes * 10 >= look->n * 9;
}

void ChooseTexts(Table *table)
{
    Look *looks = palloc0(sizeof(*looks) * Max(table->n_sources, 1));
    HeapTuple tuple;
    bool any = false;

    for (int i = 0; i < table->n_sources; i++)
        any |= table->sources[i].kind == SOURCE_TEXT;
    for (int row = 0; any && row < LOOK_ROWS && (tuple = RowsNext(&table->rows)) != NULL; row++) {
        MemoryContext old;

        MemoryContextReset(table->row);
        old = MemoryContextSwitchTo(table->row);
        heap_deform_tuple(tuple, table->rows.desc, table->values, table->nulls);
        for (int i = 0; i < table->n_sources; i++) {
            const Source *source = &table->sources[i];
            MaasStr text = source->kind == SOURCE_TEXT ? SourceText(table, source) : (MaasStr){"", 0};

            if (text.length > 0)
                LookAt(&looks[i], text);
        }
        MemoryContextSwitchTo(old);
    }
    for (int i = 0; i < table->n_sources; i++)
        if (IsText(&looks[i])) {
            MaasArchText text = {
                .input = table->sources[i].column.name, .max_tokens = TEXT_TOKENS, .rule = {true, true}};

            TableTexts(table, 1, &text);
        }
    pfree(looks);
}

/* ---- images ---- */

/* (height, width), (channels, height, width) or (height, width, channels). */
static bool IsImage(const MaasPort *port, bool *channels_last)
{
    const int64_t *d = port->dims + 1;
    int rank = port->rank - 1;

    *channels_last = false;
    if (rank == 2)
        return d[0] >= SMALLEST_IMAGE && d[1] >= SMALLEST_IMAGE;
    if (rank != 3)
        return false;
    *channels_last = d[0] > 4 && d[2] <= 4;
    return (d[0] <= 4 && d[1] >= SMALLEST_IMAGE && d[2] >= SMALLEST_IMAGE) ||
           (*channels_last && d[0] >= SMALLEST_IMAGE && d[1] >= SMALLEST_IMAGE);
}

static void AddConvolution(StringInfo json, int filters)
{
    appendStringInfo(
        json,
        "{\"conv2d\":[%d,3],\"padding\":\"same\",\"use_bias\":false,\"kernel_initializer\":\"he_normal\"},"
        "\"batch_norm\",\"relu\",",
        filters);
}

static void ForImage(StringInfo json, const MaasPort *port, bool channels_last)
{
    if (channels_last)
        appendStringInfoString(json, "\"data_format\":\"channels_last\",");
    appendStringInfoString(json, "\"layers\":[");
    if (port->rank == 3)
        appendStringInfo(json, "{\"reshape\":[1,%d,%d]},", (int)port->dims[1], (int)port->dims[2]);
    AddConvolution(json, 32);
    appendStringInfoString(json, "{\"max_pooling2d\":2},");
    AddConvolution(json, 64);
    appendStringInfoString(json, "{\"max_pooling2d\":2},\"flatten\",{\"dropout\":0.3},"
                                 "{\"dense\":128,\"activation\":\"relu\",\"kernel_initializer\":\"he_uniform\"},"
                                 "{\"dropout\":0.3},{\"dense\":\"output\"}]");
}

static void AddDense(StringInfo json, int units)
{
    appendStringInfo(json, "{\"dense\":%d,\"activation\":\"relu\",\"kernel_initializer\":\"he_uniform\"},", units);
}

/* A text's words as the mean of their vectors. */
static void AddText(StringInfo json, const MaasPort *port, int64 words)
{
    appendStringInfo(json, "{\"text_vectorization\":[" INT64_FORMAT "," INT64_FORMAT "],\"input\":", words,
                     (int64)port->dims[1]);
    escape_json(json, port->name);
    appendStringInfo(json, "},{\"embedding\":[" INT64_FORMAT ",%d]},{\"dropout\":0.3},", words, TEXT_WIDTH);
}

/* What the layers that read one column each are called, with a number: no column begins with it. */
static const char *PartName(int n_ports, const MaasPort *ports)
{
    StringInfoData name;

    initStringInfo(&name);
    appendStringInfoString(&name, "input");
    for (int p = 0; p < n_ports; p++)
        if (strncmp(ports[p].name, name.data, name.len) == 0 && ports[p].name[name.len] == ' ') {
            appendStringInfoChar(&name, '_');
            p = -1;
        }
    return name.data;
}

static void ForRows(const Table *table, StringInfo json, int n_ports, const MaasPort *ports, const int64_t *words)
{
    int64 rows = table->n_train;
    bool small = rows < 1000;
    const char *part = PartName(n_ports, ports);

    appendStringInfoString(json, "\"layers\":[");
    if (n_ports > 1) {
        for (int p = 0; p < n_ports; p++) {
            if (words[p] > 0) {
                AddText(json, &ports[p], words[p]);
                appendStringInfo(json, "{\"global_average_pooling1d\":{},\"name\":\"%s %d\"},", part, p + 1);
                continue;
            }
            appendStringInfo(json, "{\"flatten\":{},\"input\":");
            escape_json(json, ports[p].name);
            appendStringInfo(json, ",\"name\":\"%s %d\"},", part, p + 1);
        }
        appendStringInfoString(json, "{\"concat\":[");
        for (int p = 0; p < n_ports; p++)
            appendStringInfo(json, "%s\"%s %d\"", p ? "," : "", part, p + 1);
        appendStringInfoString(json, "]},");
    } else if (words[0] > 0) {
        AddText(json, &ports[0], words[0]);
        appendStringInfoString(json, "\"global_average_pooling1d\",");
    } else if (ports[0].rank != 2)
        appendStringInfoString(json, "\"flatten\",");
    AddDense(json, small ? 32 : rows < 20000 ? 64 : 256);
    if (!small)
        appendStringInfoString(json, "{\"dropout\":0.1},");
    AddDense(json, small ? 16 : rows < 20000 ? 32 : 128);
    appendStringInfoString(json, "{\"dense\":\"output\"}]");
}

char *ChooseArchitecture(const Table *table, int n_ports, const MaasPort *ports, const int64_t *words)
{
    StringInfoData json;
    bool channels_last;

    initStringInfo(&json);
    appendStringInfoChar(&json, '{');
    if (n_ports == 1 && IsImage(&ports[0], &channels_last))
        ForImage(&json, &ports[0], channels_last);
    else
        ForRows(table, &json, n_ports, ports, words);
    appendStringInfoChar(&json, '}');
    return json.data;
}
