package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/// Tensors as bytes behind the JSON of a request or an answer: little-endian, row by row; each
/// element of `BYTES` has its length in four bytes before it.
final class TensorBytes {
  private final ByteBuffer in;

  /// @param from where the tensors begin
  TensorBytes(byte[] body, int from) {
    in = ByteBuffer.wrap(body, from, body.length - from).order(ByteOrder.LITTLE_ENDIAN);
  }

  /// The next tensor's elements.
  ArrayNode read(String field, TensorType type, long elements, int bytes) throws Problem {
    if (bytes > in.remaining() || (type.bytes() > 0 && elements * type.bytes() != bytes)) {
      throw wrong(field, bytes, elements, type);
    }
    int end = in.position() + bytes;
    ArrayNode out = Json.MAPPER.createArrayNode();
    for (long i = 0; i < elements; i++) {
      switch (type) {
        case BOOL -> out.add(in.get() != 0);
        case UINT8 -> out.add(in.get() & 0xff);
        case UINT16 -> out.add(in.getShort() & 0xffff);
        case UINT32 -> out.add(in.getInt() & 0xffffffffL);
        case UINT64 -> out.add(new BigInteger(Long.toUnsignedString(in.getLong())));
        case INT8 -> out.add((int) in.get());
        case INT16 -> out.add((int) in.getShort());
        case INT32 -> out.add(in.getInt());
        case INT64 -> out.add(in.getLong());
        case FP16 -> out.add(finite(field, Float.float16ToFloat(in.getShort())));
        case FP32 -> out.add(finite(field, in.getFloat()));
        case FP64 -> {
          double value = in.getDouble();
          if (!Double.isFinite(value)) {
            throw notFinite(field);
          }
          out.add(value);
        }
        case BYTES -> {
          if (end - in.position() < 4) {
            throw wrong(field, bytes, elements, type);
          }
          int length = in.getInt();
          if (length < 0 || length > end - in.position()) {
            throw wrong(field, bytes, elements, type);
          }
          ByteBuffer text = in.slice(in.position(), length);
          in.position(in.position() + length);
          try {
            out.add(StandardCharsets.UTF_8.newDecoder().decode(text).toString());
          } catch (CharacterCodingException e) {
            throw Problem.invalid(field, "'" + field + "' has BYTES that are no text in UTF-8.");
          }
        }
      }
    }
    if (in.position() != end) {
      throw wrong(field, bytes, elements, type);
    }
    return out;
  }

  private static float finite(String field, float value) throws Problem {
    if (!Float.isFinite(value)) {
      throw notFinite(field);
    }
    return value;
  }

  private static Problem notFinite(String field) {
    return Problem.invalid(field, "'" + field + "' has a value that is not finite.");
  }

  private static Problem wrong(String field, int bytes, long elements, TensorType type) {
    return Problem.invalid(
        field,
        "'"
            + field
            + "': "
            + bytes
            + " bytes do not hold "
            + elements
            + " of "
            + type.name()
            + ".");
  }

  /// @throws Problem if something is left
  void end() throws Problem {
    if (in.hasRemaining()) {
      throw Problem.invalid(
          "inputs", "The body has " + in.remaining() + " bytes that belong to no tensor.");
    }
  }

  /// The elements of a provider's tensor.
  static byte[] write(ObjectNode tensor) throws Problem {
    TensorType type;
    try {
      type = TensorType.of("datatype", tensor.path("datatype").asText());
    } catch (Problem problem) {
      throw rubbish();
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    write(tensor.path("data"), type, out);
    return out.toByteArray();
  }

  private static Problem rubbish() {
    return new Problem(
        Problem.Kind.BROKEN, "The provider sent a tensor of no known type.", "provider_failed");
  }

  private static void write(JsonNode data, TensorType type, ByteArrayOutputStream out)
      throws Problem {
    for (JsonNode one : data) {
      if (one.isArray()) {
        write(one, type, out);
        continue;
      }
      if (!type.takes(one)) {
        throw rubbish();
      }
      switch (type) {
        case BOOL -> out.write(one.asBoolean() ? 1 : 0);
        case UINT8, INT8 -> little(out, one.longValue(), 1);
        case UINT16, INT16 -> little(out, one.longValue(), 2);
        case UINT32, INT32 -> little(out, one.longValue(), 4);
        case UINT64, INT64 -> little(out, one.bigIntegerValue().longValue(), 8);
        case FP16 -> little(out, Float.floatToFloat16(one.floatValue()), 2);
        case FP32 -> little(out, Float.floatToRawIntBits(one.floatValue()), 4);
        case FP64 -> little(out, Double.doubleToRawLongBits(one.doubleValue()), 8);
        case BYTES -> {
          byte[] text = one.textValue().getBytes(StandardCharsets.UTF_8);
          little(out, text.length, 4);
          out.writeBytes(text);
        }
      }
    }
  }

  private static void little(ByteArrayOutputStream out, long value, int bytes) {
    for (int i = 0; i < bytes; i++) {
      out.write((int) (value >>> (8 * i)));
    }
  }
}
