package dev.perseid.gateway;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.inference.Api;
import dev.perseid.inference.Parameters;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.NavigableSet;
import java.util.OptionalLong;

/// A request to a model in canonical form ([Api]), whatever protocol it came in. Its body is a JSON
/// object whose `model` can be exchanged, because another model may be asked in its stead.
final class Call {
  private static final VarHandle LONG =
      MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

  private final Api api;
  private final List<String> models;
  private final byte[] body;
  private final int modelFrom;
  private final int modelTo;
  private final boolean stream;
  private final Wishes wishes;
  private final OptionalLong maxTokens;
  private final int choices;
  private final long affinity;

  /// @param api which call
  /// @param models names to try, one after another; at least one
  /// @param body JSON object, not copied
  /// @param modelFrom where the value of its `model` begins, quotes included
  /// @param modelTo where that ends
  /// @param stream whether the answer shall come in chunks; equal to the body's `stream`
  /// @param wishes by whom it may be answered
  /// @param maxTokens the most tokens of each choice that the client wants, if it says so
  /// @param choices how many answers it wants
  /// @param affinity equal for requests that should meet the same provider, whose cache then knows
  ///   their beginning
  Call(
      Api api,
      List<String> models,
      byte[] body,
      int modelFrom,
      int modelTo,
      boolean stream,
      Wishes wishes,
      OptionalLong maxTokens,
      int choices,
      long affinity) {
    this.api = api;
    this.models = List.copyOf(models);
    this.body = body;
    this.modelFrom = modelFrom;
    this.modelTo = modelTo;
    this.stream = stream;
    this.wishes = wishes;
    this.maxTokens = maxTokens;
    this.choices = choices;
    this.affinity = affinity;
  }

  /// From a tree, as translators make it.
  ///
  /// @param body the canonical body. Its `model` is overwritten; `stream` is set as said
  /// @param affinity see above; e.g. [#affinity(byte[], int, int)] over the first messages
  static Call of(
      Api api,
      List<String> models,
      ObjectNode body,
      boolean stream,
      Wishes wishes,
      OptionalLong maxTokens,
      int choices,
      long affinity) {
    ObjectNode rest = body.deepCopy();
    rest.remove("model");
    if (stream) {
      rest.put("stream", true);
    } else {
      rest.remove("stream");
    }
    byte[] fields = Json.bytes(rest);
    byte[] head = "{\"model\":\"\"".getBytes(StandardCharsets.US_ASCII);
    boolean more = fields.length > 2;
    byte[] out = new byte[head.length + (more ? fields.length : 1)];
    System.arraycopy(head, 0, out, 0, head.length);
    if (more) {
      out[head.length] = ',';
      System.arraycopy(fields, 1, out, head.length + 1, fields.length - 1);
    } else {
      out[head.length] = '}';
    }
    return new Call(
        api,
        models,
        out,
        head.length - 2,
        head.length,
        stream,
        wishes,
        maxTokens,
        choices,
        affinity);
  }

  /// FNV-1a over a piece of a body, eight bytes at a time: a cheap fingerprint, not one that
  /// withstands an attacker.
  static long affinity(byte[] bytes, int from, int to) {
    long hash = 0xcbf29ce484222325L;
    int end = Math.min(to, from + GatewayLimits.AFFINITY_BYTES);
    int i = from;
    for (; i + 8 <= end; i += 8) {
      hash = (hash ^ (long) LONG.get(bytes, i)) * 0x100000001b3L;
      hash ^= hash >>> 32;
    }
    for (; i < end; i++) {
      hash = (hash ^ (bytes[i] & 0xff)) * 0x100000001b3L;
    }
    return hash;
  }

  Api api() {
    return api;
  }

  List<String> models() {
    return models;
  }

  boolean stream() {
    return stream;
  }

  Wishes wishes() {
    return wishes;
  }

  OptionalLong maxTokens() {
    return maxTokens;
  }

  int choices() {
    return choices;
  }

  long affinity() {
    return affinity;
  }

  /// The parameters that it names. Reads the whole body.
  NavigableSet<String> parameters() throws Problem {
    try {
      return Parameters.named(body);
    } catch (IOException e) {
      throw Problem.invalid("", "The body must be a JSON object.");
    }
  }

  /// The body with this name for `model`.
  byte[] body(String model) {
    byte[] name = Json.quoted(model);
    if (name.length == modelTo - modelFrom && same(name)) {
      return body;
    }
    byte[] out = new byte[body.length - (modelTo - modelFrom) + name.length];
    System.arraycopy(body, 0, out, 0, modelFrom);
    System.arraycopy(name, 0, out, modelFrom, name.length);
    System.arraycopy(body, modelTo, out, modelFrom + name.length, body.length - modelTo);
    return out;
  }

  private boolean same(byte[] name) {
    for (int i = 0; i < name.length; i++) {
      if (body[modelFrom + i] != name[i]) {
        return false;
      }
    }
    return true;
  }
}
