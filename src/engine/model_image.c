/*
 * model_image.c - writing a model as an image, and opening one.
 *
 * A model that was opened owns its arena and its plans; constants and states of nodes lie in the image, which
 * belongs to the caller.
 */
#include "format/image.h"
#include "model.h"

MaasStatus maas_model_write_image(const MaasModel *model, const MaasRunOptions *options, const MaasSink *sink,
                                  MaasError *err)
{
    MaasStop stop = {{options->stop, options->stop_too}};
    MaasImageParts parts = {
        .onnx = model->onnx, .info = model->info, .n_ports_out = model->n_ports_out, .out_edges = model->out_edges};

    return maas_image_write(&parts, options->mem, &stop, sink, err);
}

MaasStatus maas_model_open_image(const void *bytes, size_t n_bytes, const MaasRunOptions *options, MaasModel **out,
                                 MaasError *err)
{
    MaasModel *model = maas_zalloc(options->mem, sizeof *model, err);
    MaasImageParts parts;

    if (!model)
        return err->status;
    model->mem = options->mem;
    model->image = true;
    maas_arena_init(&model->arena, model->mem);
    MaasStatus status = maas_image_open(bytes, n_bytes, &model->arena, &parts, err);

    if (status != MAAS_OK) {
        maas_model_free(model);
        return status;
    }
    model->onnx = parts.onnx;
    model->info = parts.info;
    model->n_ports_out = parts.n_ports_out;
    model->out_edges = parts.out_edges;
    *out = model;
    return MAAS_OK;
}
