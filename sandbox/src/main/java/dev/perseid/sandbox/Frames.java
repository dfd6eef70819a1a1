package dev.perseid.sandbox;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The conversation between the sandbox and an engine child: frames of a 32-bit big-endian length,
/// then that many bytes. Either side treats a frame that breaks a limit as garbage; the sandbox
/// kills a child that sends any.
final class Frames {
  private Frames() {}

  static final int VERSION = 1;
  static final int NONE = -1;

  private static final int HELLO = 1;
  private static final int TASK = 2;
  private static final int CANCEL = 3;
  private static final int RESULT = 4;

  /// The other side broke the rules.
  static final class Garbage extends IOException {
    private static final long serialVersionUID = 1;

    Garbage(String message) {
      super(message);
    }
  }

  sealed interface Frame {}

  /// First from the child: it is ready.
  record Hello(int version) implements Frame {}

  /// Run this. An input without bytes lies in the child's input folder under [#inputName]. With a
  /// trace (else empty) it is looked at, and the outputs are what [Tracer] tells and keeps.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Task(
      long key,
      String module,
      long gas,
      int pages,
      long outputBytes,
      long wallMs,
      int outputs,
      byte[] args,
      List<Part> inputs,
      byte[] trace)
      implements Frame {}

  record Cancel(long key) implements Frame {}

  /// How a task ended; `kind` is null when done. Numbers that were not measured are [#NONE].
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Result(
      long key,
      Verdict.@Nullable Kind kind,
      String message,
      long gas,
      long cpuNs,
      long wallNs,
      long peakBytes,
      byte[] log,
      List<Part> outputs)
      implements Frame {}

  /// An input or output: its size, and its bytes unless they lie in a file.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Part(long size, byte @Nullable [] bytes) {}

  static String inputName(long key, int index) {
    return "i" + key + "-" + index;
  }

  static String outputName(long key, int index) {
    return "o" + key + "-" + index;
  }

  static String moduleName(String sha256) {
    return sha256 + ".wasm";
  }

  static void write(ByteSink to, Frame frame) {
    int start = to.size();
    to.i32(0);
    switch (frame) {
      case Hello f -> to.u8(HELLO).i32(f.version());
      case Cancel f -> to.u8(CANCEL).i64(f.key());
      case Task f -> {
        to.u8(TASK).i64(f.key()).blob(f.module().getBytes(StandardCharsets.US_ASCII)).i64(f.gas());
        to.i32(f.pages()).i64(f.outputBytes()).i64(f.wallMs()).i32(f.outputs()).blob(f.args());
        parts(to, f.inputs());
        to.blob(f.trace());
      }
      case Result f -> {
        to.u8(RESULT).i64(f.key()).u8(f.kind() == null ? 0xff : KINDS.indexOf(f.kind()));
        to.blob(f.message().getBytes(StandardCharsets.UTF_8));
        to.i64(f.gas()).i64(f.cpuNs()).i64(f.wallNs()).i64(f.peakBytes()).blob(f.log());
        parts(to, f.outputs());
      }
    }
    to.patch(start, to.size() - start - 4);
  }

  private static void parts(ByteSink to, List<Part> parts) {
    to.i32(parts.size());
    for (Part p : parts) {
      byte[] bytes = p.bytes();
      if (bytes == null) {
        to.u8(1).i64(p.size());
      } else {
        to.u8(0).blob(bytes);
      }
    }
  }

  /// The next frame; null at a clean end.
  static @Nullable Frame read(DataInputStream from) throws IOException {
    int length;
    try {
      length = from.readInt();
    } catch (EOFException e) {
      return null;
    }
    if (length < 1 || length > Limits.FRAME_BYTES) {
      throw new Garbage("a frame of " + length + " bytes");
    }
    ByteBuffer b = ByteBuffer.wrap(from.readNBytes(length));
    if (b.remaining() != length) {
      throw new Garbage("a frame that is cut short");
    }
    try {
      Frame frame = decode(b);
      if (b.hasRemaining()) {
        throw new Garbage("a frame with bytes after its end");
      }
      return frame;
    } catch (BufferUnderflowException e) {
      throw new Garbage("a frame whose parts are cut short");
    }
  }

  private static Frame decode(ByteBuffer b) throws Garbage {
    int type = b.get();
    return switch (type) {
      case HELLO -> new Hello(b.getInt());
      case CANCEL -> new Cancel(b.getLong());
      case TASK ->
          new Task(
              b.getLong(),
              text(b, 64),
              b.getLong(),
              b.getInt(),
              b.getLong(),
              b.getLong(),
              b.getInt(),
              blob(b, Limits.ARGS_BYTES),
              parts(b, Limits.INPUTS),
              blob(b, Limits.TRACE_PLAN_BYTES));
      case RESULT ->
          new Result(
              b.getLong(),
              kind(b.get()),
              text(b, Limits.MESSAGE_BYTES),
              b.getLong(),
              b.getLong(),
              b.getLong(),
              b.getLong(),
              blob(b, Limits.LOG_BYTES),
              parts(b, Limits.OUTPUTS));
      default -> throw new Garbage("a frame of type " + type);
    };
  }

  private static final List<Verdict.Kind> KINDS = List.of(Verdict.Kind.values());

  static int number(Verdict.Kind kind) {
    return KINDS.indexOf(kind);
  }

  static Verdict.@Nullable Kind kind(byte b) throws Garbage {
    if (b == -1) {
      return null;
    }
    if (b < 0 || b >= KINDS.size()) {
      throw new Garbage("an outcome numbered " + b);
    }
    return KINDS.get(b);
  }

  private static byte[] blob(ByteBuffer b, int max) throws Garbage {
    int n = b.getInt();
    if (n < 0 || n > max || n > b.remaining()) {
      throw new Garbage("a part of " + n + " bytes");
    }
    byte[] out = new byte[n];
    b.get(out);
    return out;
  }

  private static String text(ByteBuffer b, int max) throws Garbage {
    return new String(blob(b, max), StandardCharsets.UTF_8);
  }

  private static List<Part> parts(ByteBuffer b, int max) throws Garbage {
    int n = b.getInt();
    if (n < 0 || n > max) {
      throw new Garbage(n + " parts");
    }
    List<Part> out = new ArrayList<>(Math.min(n, 64));
    for (int k = 0; k < n; k++) {
      if (b.get() == 0) {
        byte[] bytes = blob(b, Limits.INLINE_BYTES);
        out.add(new Part(bytes.length, bytes));
      } else {
        long size = b.getLong();
        if (size < 0) {
          throw new Garbage("a file of " + size + " bytes");
        }
        out.add(new Part(size, null));
      }
    }
    return out;
  }
}
