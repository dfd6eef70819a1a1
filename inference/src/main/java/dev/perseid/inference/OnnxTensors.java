package dev.perseid.inference;

import ai.onnxruntime.OnnxJavaType;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.TensorInfo;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Tensors between the JSON of the Open Inference Protocol (version 2) and the runtime.
final class OnnxTensors {
  /// Elements of one tensor.
  static final int ELEMENTS = 1 << 22;

  /// Dimensions of one tensor.
  static final int RANK = 16;

  private OnnxTensors() {}

  /// The protocol's word for the elements of a tensor; empty if the runtime's Java interface cannot
  /// hold them.
  static Optional<String> datatype(TensorInfo info) {
    return switch (info.onnxType) {
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT -> Optional.of("FP32");
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_DOUBLE -> Optional.of("FP64");
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16 -> Optional.of("FP16");
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8 -> Optional.of("INT8");
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT16 -> Optional.of("INT16");
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 -> Optional.of("INT32");
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64 -> Optional.of("INT64");
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8 -> Optional.of("UINT8");
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_BOOL -> Optional.of("BOOL");
      case ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING -> Optional.of("BYTES");
      default -> Optional.empty();
    };
  }

  /// The same for an element type of a file (onnx.proto3, `TensorProto.DataType`).
  static Optional<String> datatype(int element) {
    return switch (element) {
      case 1 -> Optional.of("FP32");
      case 2 -> Optional.of("UINT8");
      case 3 -> Optional.of("INT8");
      case 5 -> Optional.of("INT16");
      case 6 -> Optional.of("INT32");
      case 7 -> Optional.of("INT64");
      case 8 -> Optional.of("BYTES");
      case 9 -> Optional.of("BOOL");
      case 10 -> Optional.of("FP16");
      case 11 -> Optional.of("FP64");
      default -> Optional.empty();
    };
  }

  /// Makes a tensor of what a request says.
  ///
  /// @param at where it stands in the request, for messages
  static OnnxTensor read(
      OrtEnvironment environment, ModelSignature.Tensor wanted, JsonNode input, String at)
      throws RefusedRequest, OrtException {
    String datatype = input.path("datatype").asText();
    if (!datatype.equals(wanted.datatype())) {
      throw RefusedRequest.invalid(
          at + ".datatype",
          "Input '%s' has the datatype %s, not '%s'."
              .formatted(wanted.name(), wanted.datatype(), datatype));
    }
    long[] shape = shape(wanted, input.path("shape"), at + ".shape");
    if (!wanted.fits(shape)) {
      throw RefusedRequest.invalid(
          at + ".shape",
          "Input '%s' has the shape %s (-1: any), not %s."
              .formatted(wanted.name(), wanted.shape(), input.path("shape")));
    }
    long count = 1;
    for (long d : shape) {
      count *= d;
      if (count > ELEMENTS) {
        throw RefusedRequest.invalid(
            at + ".shape", "A tensor has at most " + ELEMENTS + " elements.");
      }
    }
    JsonNode data = input.path("data");
    if (!data.isArray()) {
      throw RefusedRequest.invalid(
          at + ".data",
          "Input '%s' must bring its 'data' as a list; binary data are not taken."
              .formatted(wanted.name()));
    }
    List<JsonNode> flat = new ArrayList<>((int) count);
    boolean nested = shape.length > 0 && !data.isEmpty() && data.get(0).isArray();
    if (nested) {
      flatten(data, shape, 0, flat, at + ".data");
    } else {
      data.forEach(flat::add);
    }
    if (flat.size() != count) {
      throw RefusedRequest.invalid(
          at + ".data",
          "Input '%s' of the shape %s needs %d elements, not %d."
              .formatted(wanted.name(), input.path("shape"), count, flat.size()));
    }
    return tensor(environment, wanted, shape, flat, at + ".data");
  }

  private static long[] shape(ModelSignature.Tensor wanted, JsonNode list, String at)
      throws RefusedRequest {
    if (!list.isArray() || list.size() > RANK) {
      throw RefusedRequest.invalid(
          at, "Input '" + wanted.name() + "' must say its shape, up to " + RANK + " numbers.");
    }
    long[] shape = new long[list.size()];
    for (int i = 0; i < shape.length; i++) {
      JsonNode d = list.get(i);
      if (!d.isIntegralNumber()
          || !d.canConvertToLong()
          || d.asLong() < 0
          || d.asLong() > ELEMENTS) {
        throw RefusedRequest.invalid(at, "A shape has whole numbers, 0 to " + ELEMENTS + ".");
      }
      shape[i] = d.asLong();
    }
    return shape;
  }

  private static void flatten(JsonNode data, long[] shape, int depth, List<JsonNode> out, String at)
      throws RefusedRequest {
    if (!data.isArray() || data.size() != shape[depth]) {
      throw RefusedRequest.invalid(at, "The nested lists do not have the tensor's shape.");
    }
    for (JsonNode one : data) {
      if (depth + 1 < shape.length) {
        flatten(one, shape, depth + 1, out, at);
      } else {
        out.add(one);
      }
    }
  }

  private static OnnxTensor tensor(
      OrtEnvironment environment,
      ModelSignature.Tensor wanted,
      long[] shape,
      List<JsonNode> flat,
      String at)
      throws RefusedRequest, OrtException {
    int n = flat.size();
    if (wanted.datatype().equals("BYTES")) {
      String[] texts = new String[n];
      for (int i = 0; i < n; i++) {
        if (!flat.get(i).isTextual()) {
          throw element(wanted, at, i);
        }
        texts[i] = flat.get(i).asText();
      }
      return OnnxTensor.createTensor(environment, texts, shape);
    }
    // The runtime reads the memory of direct buffers only, in the machine's order.
    ByteBuffer raw =
        ByteBuffer.allocateDirect(Math.multiplyExact(Math.max(n, 1), 8))
            .order(ByteOrder.nativeOrder());
    for (int i = 0; i < n; i++) {
      JsonNode v = flat.get(i);
      switch (wanted.datatype()) {
        case "FP32" -> raw.putFloat((float) real(wanted, v, Float.MAX_VALUE, at, i));
        case "FP64" -> raw.putDouble(real(wanted, v, Double.MAX_VALUE, at, i));
        case "FP16" -> raw.putShort(Float.floatToFloat16((float) real(wanted, v, 65_504, at, i)));
        case "INT8" -> raw.put((byte) whole(wanted, v, -128, 127, at, i));
        case "UINT8" -> raw.put((byte) whole(wanted, v, 0, 255, at, i));
        case "INT16" ->
            raw.putShort((short) whole(wanted, v, Short.MIN_VALUE, Short.MAX_VALUE, at, i));
        case "INT32" ->
            raw.putInt((int) whole(wanted, v, Integer.MIN_VALUE, Integer.MAX_VALUE, at, i));
        case "INT64" -> raw.putLong(whole(wanted, v, Long.MIN_VALUE, Long.MAX_VALUE, at, i));
        case "BOOL" -> {
          if (!v.isBoolean()) {
            throw element(wanted, at, i);
          }
          raw.put((byte) (v.asBoolean() ? 1 : 0));
        }
        default -> throw new AssertionError("checked when the model was loaded");
      }
    }
    raw.flip();
    return OnnxTensor.createTensor(environment, raw, shape, type(wanted.datatype()));
  }

  private static OnnxJavaType type(String datatype) {
    return switch (datatype) {
      case "FP32" -> OnnxJavaType.FLOAT;
      case "FP64" -> OnnxJavaType.DOUBLE;
      case "FP16" -> OnnxJavaType.FLOAT16;
      case "INT8" -> OnnxJavaType.INT8;
      case "UINT8" -> OnnxJavaType.UINT8;
      case "INT16" -> OnnxJavaType.INT16;
      case "INT32" -> OnnxJavaType.INT32;
      case "INT64" -> OnnxJavaType.INT64;
      case "BOOL" -> OnnxJavaType.BOOL;
      default -> throw new AssertionError("checked when the model was loaded");
    };
  }

  private static double real(
      ModelSignature.Tensor wanted, JsonNode v, double most, String at, int i)
      throws RefusedRequest {
    double number = v.isNumber() ? v.asDouble() : Double.NaN;
    if (!(Math.abs(number) <= most)) {
      throw element(wanted, at, i);
    }
    return number;
  }

  private static long whole(
      ModelSignature.Tensor wanted, JsonNode v, long least, long most, String at, int i)
      throws RefusedRequest {
    if (!v.isIntegralNumber() || !v.canConvertToLong() || v.asLong() < least || v.asLong() > most) {
      throw element(wanted, at, i);
    }
    return v.asLong();
  }

  private static RefusedRequest element(ModelSignature.Tensor wanted, String at, int i) {
    return RefusedRequest.invalid(
        at, "Element %d of input '%s' is no %s.".formatted(i, wanted.name(), wanted.datatype()));
  }

  /// Writes a tensor of an answer as one object.
  static void write(JsonGenerator out, String name, String datatype, OnnxTensor tensor)
      throws IOException, OrtException, RefusedRequest {
    out.writeStartObject();
    out.writeStringField("name", name);
    out.writeStringField("datatype", datatype);
    out.writeArrayFieldStart("shape");
    long count = 1;
    for (long d : tensor.getInfo().getShape()) {
      out.writeNumber(d);
      count *= d;
    }
    out.writeEndArray();
    if (count > ELEMENTS) {
      throw RefusedRequest.broken("The model's answer has more than " + ELEMENTS + " elements.");
    }
    out.writeArrayFieldStart("data");
    int n = (int) count;
    switch (datatype) {
      case "FP32", "FP16" -> {
        FloatBuffer b = tensor.getFloatBuffer();
        for (int i = 0; i < n; i++) {
          out.writeNumber((float) finite(b.get(i)));
        }
      }
      case "FP64" -> {
        var b = tensor.getDoubleBuffer();
        for (int i = 0; i < n; i++) {
          out.writeNumber(finite(b.get(i)));
        }
      }
      case "INT64" -> {
        var b = tensor.getLongBuffer();
        for (int i = 0; i < n; i++) {
          out.writeNumber(b.get(i));
        }
      }
      case "INT32" -> {
        var b = tensor.getIntBuffer();
        for (int i = 0; i < n; i++) {
          out.writeNumber(b.get(i));
        }
      }
      case "INT16" -> {
        var b = tensor.getShortBuffer();
        for (int i = 0; i < n; i++) {
          out.writeNumber(b.get(i));
        }
      }
      case "INT8" -> {
        var b = tensor.getByteBuffer();
        for (int i = 0; i < n; i++) {
          out.writeNumber(b.get(i));
        }
      }
      case "UINT8" -> {
        var b = tensor.getByteBuffer();
        for (int i = 0; i < n; i++) {
          out.writeNumber(b.get(i) & 0xFF);
        }
      }
      case "BOOL" -> {
        var b = tensor.getByteBuffer();
        for (int i = 0; i < n; i++) {
          out.writeBoolean(b.get(i) != 0);
        }
      }
      case "BYTES" -> strings(out, tensor.getValue());
      default -> throw new AssertionError("checked when the model was loaded");
    }
    out.writeEndArray();
    out.writeEndObject();
  }

  private static void strings(JsonGenerator out, Object value) throws IOException {
    if (value instanceof Object[] list) {
      for (Object inner : list) {
        strings(out, inner);
      }
    } else {
      out.writeString(value.toString());
    }
  }

  private static double finite(double number) throws RefusedRequest {
    if (!Double.isFinite(number)) {
      throw RefusedRequest.broken("The model's answer has a number that is not finite.");
    }
    return number;
  }
}
