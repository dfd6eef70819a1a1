package dev.perseid.inference;

import java.util.List;
import java.util.Optional;

/// What an ONNX model takes and gives, in the words of the Open Inference Protocol (`GET
/// /v2/models/{name}`).
///
/// @param platform always `onnx_onnxv1`
/// @param inputs tensors that it takes, all of them needed
/// @param outputs tensors that it gives
public record OnnxSignature(String platform, List<Tensor> inputs, List<Tensor> outputs) {
  /// One tensor.
  ///
  /// @param name its name in the model
  /// @param datatype of its elements: `FP32`, `INT64`, `BYTES`, ...
  /// @param shape its dimensions, -1 where any number fits
  public record Tensor(String name, String datatype, List<Long> shape) {
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
  public OnnxSignature {
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
}
