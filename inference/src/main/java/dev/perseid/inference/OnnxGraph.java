package dev.perseid.inference;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Reads what an ONNX model takes and gives from its file, without loading it: no native code runs
/// and no weight is kept, so that an author can publish, and anybody can look at, a model that
/// nobody trusts. The file is a protobuf message (onnx.proto3, `ModelProto`).
public final class OnnxGraph {
  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;

  /// Takes a field's value off the file.
  private interface Field {
    void read(int number, int type) throws IOException;
  }

  /// An input or output.
  private static final class Value {
    private String name = "";
    private boolean tensor;
    private long element;
    private final List<Long> shape = new ArrayList<>();
  }

  private final InputStream in;
  private long at;
  private boolean graph;
  private final List<Value> inputs = new ArrayList<>();
  private final List<Value> outputs = new ArrayList<>();
  private final Set<String> weights = new HashSet<>();

  private OnnxGraph(InputStream in) {
    this.in = in;
  }

  /// Reads a file.
  ///
  /// @return empty if there is too much of it for a manifest
  /// @throws BrokenModelException if it is no ONNX model, or takes something that the Open
  ///   Inference Protocol has no word for
  public static Optional<ModelSignature> read(Path file) throws BrokenModelException {
    OnnxGraph model;
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
      model = new OnnxGraph(in);
      model.fields(Files.size(file), model::model);
    } catch (IOException e) {
      throw new BrokenModelException(file + " is no ONNX model that can be read", e);
    }
    if (!model.graph) {
      throw new BrokenModelException(file + " is no ONNX model: it has no graph");
    }
    List<ModelSignature.Tensor> takes = new ArrayList<>();
    for (Value input : model.inputs) {
      // Old models list their weights among the inputs.
      if (!model.weights.contains(input.name)) {
        takes.add(
            tensor(input)
                .orElseThrow(() ->
                    new BrokenModelException(
                        "the model "
                            + file
                            + " wants input '"
                            + input.name
                            + "', which is no tensor that can be written in JSON: export it with"
                            + " another datatype")));
      }
    }
    List<ModelSignature.Tensor> gives = new ArrayList<>();
    // A classifier may also give maps; its tensors say the same.
    model.outputs.forEach(output -> tensor(output).ifPresent(gives::add));
    ModelSignature signature = new ModelSignature(takes, gives);
    return signature.large() ? Optional.empty() : Optional.of(signature);
  }

  private static Optional<ModelSignature.Tensor> tensor(Value value) {
    return value.tensor
        ? OnnxTensors.datatype((int) value.element)
            .map(type -> new ModelSignature.Tensor(value.name, type, value.shape))
        : Optional.empty();
  }

  // ---- messages, by their field numbers -------------------------------------------------------

  private void model(int number, int type) throws IOException {
    if (number == 7 && type == BYTES) {
      graph = true;
      fields(end(), this::graph);
    } else {
      skip(type);
    }
  }

  private void graph(int number, int type) throws IOException {
    if (type != BYTES) {
      skip(type);
      return;
    }
    switch (number) {
      case 5 -> fields(end(), this::weight);
      case 11 -> inputs.add(value());
      case 12 -> outputs.add(value());
      default -> skip(type);
    }
  }

  private void weight(int number, int type) throws IOException {
    if (number == 8 && type == BYTES) {
      weights.add(text());
    } else {
      skip(type);
    }
  }

  private Value value() throws IOException {
    Value value = new Value();
    fields(
        end(),
        (number, type) -> {
          if (number == 1 && type == BYTES) {
            value.name = text();
          } else if (number == 2 && type == BYTES) {
            fields(end(), (kind, t) -> kind(value, kind, t));
          } else {
            skip(type);
          }
        });
    return value;
  }

  private void kind(Value value, int kind, int type) throws IOException {
    if (kind != 1 || type != BYTES) {
      skip(type);
      return;
    }
    value.tensor = true;
    fields(
        end(),
        (number, t) -> {
          if (number == 1 && t == VARINT) {
            value.element = varint();
          } else if (number == 2 && t == BYTES) {
            fields(end(), (n, inner) -> dimension(value, n, inner));
          } else {
            skip(t);
          }
        });
  }

  private void dimension(Value value, int number, int type) throws IOException {
    if (number != 1 || type != BYTES) {
      skip(type);
      return;
    }
    long[] size = {-1};
    fields(
        end(),
        (n, t) -> {
          if (n == 1 && t == VARINT) {
            size[0] = Math.max(-1, varint());
          } else {
            skip(t);
          }
        });
    value.shape.add(size[0]);
    if (value.shape.size() > BackendLimits.ONNX_RANK) {
      throw new IOException("a tensor has too many dimensions");
    }
  }

  // ---- protobuf -------------------------------------------------------------------------------

  private void fields(long end, Field each) throws IOException {
    while (at < end) {
      long tag = varint();
      each.read((int) (tag >>> 3), (int) (tag & 7));
    }
    if (at != end) {
      throw new IOException("a message ends in the middle of a field");
    }
  }

  /// Where the value of a field of bytes ends.
  private long end() throws IOException {
    long length = varint();
    if (length < 0 || length > Long.MAX_VALUE - at) {
      throw new IOException("a field is too long");
    }
    return at + length;
  }

  private void skip(int type) throws IOException {
    switch (type) {
      case VARINT -> varint();
      case FIXED64 -> pass(8);
      case BYTES -> pass(end() - at);
      case FIXED32 -> pass(4);
      default -> throw new IOException("a field has the unknown type " + type);
    }
  }

  private void pass(long bytes) throws IOException {
    in.skipNBytes(bytes);
    at += bytes;
  }

  private String text() throws IOException {
    long length = end() - at;
    if (length > BackendLimits.ONNX_NAME_BYTES) {
      throw new IOException("a name is too long");
    }
    byte[] bytes = in.readNBytes((int) length);
    if (bytes.length < length) {
      throw new EOFException();
    }
    at += length;
    return new String(bytes, StandardCharsets.UTF_8);
  }

  private long varint() throws IOException {
    long value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      int next = in.read();
      if (next < 0) {
        throw new EOFException();
      }
      at++;
      value |= (long) (next & 0x7f) << shift;
      if (next < 0x80) {
        return value;
      }
    }
    throw new IOException("a number is too long");
  }
}
