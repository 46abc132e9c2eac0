/*
 * onnx_tensor.h - TensorProto and SparseTensorProto, read and written.
 */
#ifndef MAAS_FORMAT_ONNX_TENSOR_H
#define MAAS_FORMAT_ONNX_TENSOR_H

#include "../base/tensor.h"
#include "protobuf.h"

/* Reads a TensorProto into a new value; *name (may be NULL) is a slice of the bytes.  The content must fit the
 * shape exactly.  A failure does not say which tensor: the caller knows. */
MaasStatus maas_onnx_read_tensor(MaasPb pb, MaasMem *mem, MaasSlice *name, MaasValue **out, MaasError *err);
/* Reads a SparseTensorProto into a dense value; *name is that of its values. */
MaasStatus maas_onnx_read_sparse(MaasPb pb, MaasMem *mem, MaasSlice *name, MaasValue **out, MaasError *err);
/* Appends the fields of a TensorProto. */
void maas_onnx_write_tensor(MaasPbOut *out, const MaasTensor *tensor);

#endif
