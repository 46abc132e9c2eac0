/*
 * refusal.h - models of one node that must be refused, as rows of a table.
 *
 * A row is run twice: once without shapes in the model, so that the failure comes when the data are there, and once
 * with the shapes declared, when most of it must be found at load.
 */
#ifndef MAAS_TEST_REFUSAL_H
#define MAAS_TEST_REFUSAL_H

#include "onnx_build.h"

typedef struct Refusal {
    const char *op;
    const char *attrs;     /* "i=3 f=0.5 s=other ints=[1,2] floats=<1,2> strings={a,b} tensor=(uint8:[1,2])" */
    const char *inputs[3]; /* tensors as text */
    const char *message;   /* part of it */
    bool at_load;          /* when shapes are declared */
    int opset;             /* 0: the newest */
    const char *domain;    /* NULL: ai.onnx */
} Refusal;

/* Writes attributes of the node that is open. */
void build_attrs(Build *b, const char *attrs);
/* A ValueInfoProto; t NULL: of unknown type. */
void build_port(Build *b, uint32_t field, const char *name, const MaasTensor *t, bool shapes);
void check_refusals(const Refusal *refusals, size_t n);

#endif
