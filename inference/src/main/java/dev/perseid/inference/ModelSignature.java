package dev.perseid.inference;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// What a predictive model takes and gives, in the words of the Open Inference Protocol (`GET
/// /v2/models/{name}`).
///
/// @param inputs tensors that it takes, all of them needed
/// @param outputs tensors that it gives
public record ModelSignature(List<Tensor> inputs, List<Tensor> outputs) {
  /// Tensors of either list, in a manifest.
  static final int TENSORS = 32;

  /// Characters of a tensor's name, in a manifest.
  static final int NAME_CHARS = 128;

  /// Dimensions of a tensor, in a manifest.
  static final int RANK = 8;

  private static final Set<String> DATATYPES =
      Set.of("BOOL", "UINT8", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES");

  /// The tensor that a portable model writes (docs/serving.md).
  private static final String PORTABLE_OUTPUT = "output";

  /// One tensor.
  ///
  /// @param name its name in the model
  /// @param datatype of its elements: `FP32`, `INT64`, `BYTES`, ...
  /// @param shape its dimensions, -1 where any number fits
  public record Tensor(String name, String datatype, List<Long> shape) {
    /// Keeps a copy of the shape.
    public Tensor {
      shape = List.copyOf(shape);
    }

    boolean fits(long[] actual) {
      if (actual.length != shape.size()) {
        return false;
      }
      for (int i = 0; i < actual.length; i++) {
        if (shape.get(i) >= 0 && shape.get(i) != actual[i]) {
          return false;
        }
      }
      return true;
    }
  }

  /// Keeps copies of the lists.
  public ModelSignature {
    inputs = List.copyOf(inputs);
    outputs = List.copyOf(outputs);
  }

  /// The input of this name.
  Optional<Tensor> input(String name) {
    return inputs.stream().filter(t -> t.name().equals(name)).findFirst();
  }

  /// The output of this name.
  Optional<Tensor> output(String name) {
    return outputs.stream().filter(t -> t.name().equals(name)).findFirst();
  }

  /// Whether it is too large for a manifest.
  boolean large() {
    return inputs.size() > TENSORS
        || outputs.size() > TENSORS
        || all().stream().anyMatch(t -> t.name().length() > NAME_CHARS || t.shape().size() > RANK);
  }

  private List<Tensor> all() {
    List<Tensor> all = new ArrayList<>(inputs);
    all.addAll(outputs);
    return all;
  }

  /// What is wrong with it in a manifest of this format, if anything.
  Optional<String> problem(String format) {
    if (inputs.isEmpty() || outputs.isEmpty() || large()) {
      return Optional.of(
          "a signature has 1 to "
              + TENSORS
              + " inputs and as many outputs, with names of at most "
              + NAME_CHARS
              + " characters and shapes of at most "
              + RANK
              + " dimensions");
    }
    for (Tensor tensor : all()) {
      if (tensor.name().isEmpty()
          || tensor.name().codePoints().anyMatch(Character::isISOControl)
          || !DATATYPES.contains(tensor.datatype())
          || tensor.shape().stream().anyMatch(d -> d < -1)) {
        return Optional.of(
            "a tensor has a name, a datatype such as FP32 or INT64, and a shape such as [-1, 8]");
      }
    }
    return switch (format) {
      case "onnx" -> Optional.empty();
      case "wasm" ->
          inputs.size() == 1
                  && outputs.size() == 1
                  && rows(inputs.getFirst())
                  && rows(outputs.getFirst())
                  && outputs.getFirst().name().equals(PORTABLE_OUTPUT)
              ? Optional.empty()
              : Optional.of(
                  "a portable model takes one tensor and gives one that is called '"
                      + PORTABLE_OUTPUT
                      + "', both FP32 and of the shape [-1, columns]");
      default -> Optional.of("only models of the formats onnx and wasm have inputs and outputs");
    };
  }

  private static boolean rows(Tensor tensor) {
    return tensor.datatype().equals("FP32")
        && tensor.shape().size() == 2
        && tensor.shape().getFirst() == -1;
  }
}
