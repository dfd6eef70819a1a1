package dev.perseid.inference;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/// Writes tiny ONNX models: just enough of the protobuf format (onnx.proto, IR version 8).
final class OnnxFile {
  static final int FLOAT = 1;
  static final int UINT8 = 2;
  static final int INT8 = 3;
  static final int UINT16 = 4;
  static final int INT16 = 5;
  static final int INT32 = 6;
  static final int INT64 = 7;
  static final int STRING = 8;
  static final int BOOL = 9;
  static final int FLOAT16 = 10;
  static final int DOUBLE = 11;

  private final Message graph = new Message().text(2, "g");

  private static final class Message {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    private void raw(long v) {
      long rest = v;
      while ((rest & ~0x7FL) != 0) {
        out.write((int) (rest & 0x7F | 0x80));
        rest >>>= 7;
      }
      out.write((int) rest);
    }

    Message number(int field, long v) {
      raw(field << 3L);
      raw(v);
      return this;
    }

    Message bytes(int field, byte[] b) {
      raw(field << 3L | 2);
      raw(b.length);
      out.writeBytes(b);
      return this;
    }

    Message text(int field, String s) {
      return bytes(field, s.getBytes(StandardCharsets.UTF_8));
    }

    Message message(int field, Message m) {
      return bytes(field, m.out.toByteArray());
    }
  }

  OnnxFile node(String op, String[] inputs, String output) {
    return node(op, inputs, output, new Message[0]);
  }

  private OnnxFile node(String op, String[] inputs, String output, Message... attributes) {
    Message node = new Message();
    for (String input : inputs) {
      node.text(1, input);
    }
    node.text(2, output).text(4, op);
    for (Message attribute : attributes) {
      node.message(5, attribute);
    }
    graph.message(1, node);
    return this;
  }

  /// Mean over axis 1, which disappears.
  OnnxFile meanOfAxisOne(String input, String output) {
    return node(
        "ReduceMean",
        new String[] {input},
        output,
        new Message().text(1, "axes").number(8, 1).number(20, 7),
        new Message().text(1, "keepdims").number(3, 0).number(20, 2));
  }

  OnnxFile weights(String name, long[] dims, float... values) {
    ByteBuffer raw = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (float v : values) {
      raw.putFloat(v);
    }
    Message tensor = new Message();
    for (long d : dims) {
      tensor.number(1, d);
    }
    graph.message(5, tensor.number(2, FLOAT).text(8, name).bytes(9, raw.array()));
    return this;
  }

  OnnxFile input(String name, int type, Object... dims) {
    graph.message(11, value(name, type, dims));
    return this;
  }

  OnnxFile output(String name, int type, Object... dims) {
    graph.message(12, value(name, type, dims));
    return this;
  }

  private static Message value(String name, int type, Object... dims) {
    Message shape = new Message();
    for (Object d : dims) {
      shape.message(
          1,
          d instanceof String s ? new Message().text(2, s) : new Message().number(1, (Integer) d));
    }
    Message tensor = new Message().number(1, type).message(2, shape);
    return new Message().text(1, name).message(2, new Message().message(1, tensor));
  }

  byte[] bytes() {
    return new Message()
        .number(1, 8)
        .text(2, "test")
        .message(7, graph)
        .message(8, new Message().text(1, "").number(2, 13))
        .out
        .toByteArray();
  }
}
