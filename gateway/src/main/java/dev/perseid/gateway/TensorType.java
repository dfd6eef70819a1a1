package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigInteger;

/// Types of a tensor's elements in the Open Inference Protocol.
enum TensorType {
  BOOL(1),
  UINT8(1),
  UINT16(2),
  UINT32(4),
  UINT64(8),
  INT8(1),
  INT16(2),
  INT32(4),
  INT64(8),
  FP16(2),
  FP32(4),
  FP64(8),
  BYTES(0);

  private final int bytes;

  TensorType(int bytes) {
    this.bytes = bytes;
  }

  /// Bytes of an element; 0 where each has a length of its own.
  int bytes() {
    return bytes;
  }

  /// The type with this name.
  static TensorType of(String field, String name) throws Problem {
    for (TensorType type : values()) {
      if (type.name().equals(name)) {
        return type;
      }
    }
    throw Problem.invalid(
        field,
        "'"
            + Problem.shown(name)
            + "' is no datatype. Write BOOL, INT8 to INT64, UINT8 to UINT64, FP16, FP32, FP64 or"
            + " BYTES.");
  }

  /// Whether a value in JSON can be an element.
  boolean takes(JsonNode value) {
    return switch (this) {
      case BOOL ->
          value.isBoolean() || (value.isInt() && (value.intValue() == 0 || value.intValue() == 1));
      case BYTES -> value.isTextual();
      case FP16, FP32, FP64 -> value.isNumber();
      case INT8, INT16, INT32, INT64 ->
          value.isIntegralNumber() && value.bigIntegerValue().bitLength() < bytes * 8;
      case UINT8, UINT16, UINT32, UINT64 -> {
        BigInteger whole =
            value.isIntegralNumber() ? value.bigIntegerValue() : BigInteger.TEN.negate();
        yield whole.signum() >= 0 && whole.bitLength() <= bytes * 8;
      }
    };
  }
}
