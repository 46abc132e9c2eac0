/*
 * choose.c - an architecture for who gives none: by what goes in and how many rows there are.
 *
 * One image: convolutions.  All else: dense layers on everything that goes in, wider where there are more rows.
 */
#include "postgres.h"
#include "compat.h"

#include "lib/stringinfo.h"
#include "utils/json.h"

#include "choose.h"

#define SMALLEST_IMAGE 8

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

static void ForRows(const Table *table, StringInfo json, int n_ports, const MaasPort *ports)
{
    int64 rows = table->n_train;
    bool small = rows < 1000;

    appendStringInfoString(json, "\"layers\":[");
    if (n_ports > 1) {
        for (int p = 0; p < n_ports; p++) {
            appendStringInfo(json, "{\"flatten\":{},\"input\":");
            escape_json(json, ports[p].name);
            appendStringInfo(json, ",\"name\":\"input %d\"},", p + 1);
        }
        appendStringInfoString(json, "{\"concat\":[");
        for (int p = 0; p < n_ports; p++)
            appendStringInfo(json, "%s\"input %d\"", p ? "," : "", p + 1);
        appendStringInfoString(json, "]},");
    } else if (ports[0].rank != 2)
        appendStringInfoString(json, "\"flatten\",");
    AddDense(json, small ? 32 : rows < 20000 ? 64 : 256);
    if (!small)
        appendStringInfoString(json, "{\"dropout\":0.1},");
    AddDense(json, small ? 16 : rows < 20000 ? 32 : 128);
    appendStringInfoString(json, "{\"dense\":\"output\"}]");
}

char *ChooseArchitecture(const Table *table, int n_ports, const MaasPort *ports)
{
    StringInfoData json;
    bool channels_last;

    initStringInfo(&json);
    appendStringInfoChar(&json, '{');
    if (n_ports == 1 && IsImage(&ports[0], &channels_last))
        ForImage(&json, &ports[0], channels_last);
    else
        ForRows(table, &json, n_ports, ports);
    appendStringInfoChar(&json, '}');
    return json.data;
}
