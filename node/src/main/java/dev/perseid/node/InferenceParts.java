package dev.perseid.node;

import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.ModelSignature;
import dev.perseid.wire.v1.Proto;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.NavigableSet;
import java.util.OptionalLong;
import java.util.TreeSet;

/// Claims and failures as protobuf messages and back. What comes from outside is bounded here;
/// whether it is true is another matter.
final class InferenceParts {
  private static final int TEXT_CHARS = 1_000;
  private static final int WORD_CHARS = 128;

  private InferenceParts() {}

  static Proto.Claim write(Claim c) {
    Proto.Claim.Builder b =
        Proto.Claim.newBuilder()
            .setPromptTokens(c.promptTokens())
            .setCachedTokens(c.cachedTokens())
            .setCompletionTokens(c.completionTokens())
            .setRows(c.rows())
            .setEnergyBy(c.energyBy());
    c.computeNs().ifPresent(b::setComputeNs);
    c.gpuNs().ifPresent(b::setGpuNs);
    c.energyUj().ifPresent(b::setEnergyUj);
    c.gas().ifPresent(b::setGas);
    return b.build();
  }

  static Claim read(Proto.Claim c) {
    return new Claim(
        Math.max(0, c.getPromptTokens()),
        Math.max(0, c.getCachedTokens()),
        Math.max(0, c.getCompletionTokens()),
        Math.max(0, c.getRows()),
        measure(c.hasComputeNs(), c.getComputeNs()),
        measure(c.hasGpuNs(), c.getGpuNs()),
        measure(c.hasEnergyUj(), c.getEnergyUj()),
        line(c.getEnergyBy(), WORD_CHARS),
        measure(c.hasGas(), c.getGas()));
  }

  static Proto.InferenceFailure write(Failure f) {
    Proto.InferenceFailure.Builder b =
        Proto.InferenceFailure.newBuilder()
            .setKind(word(f.kind()))
            .setText(line(f.message(), TEXT_CHARS))
            .setParam(line(f.param(), WORD_CHARS))
            .setCode(line(f.code(), WORD_CHARS));
    f.retryAfterMs().ifPresent(b::setRetryAfterMs);
    return b.build();
  }

  static Failure read(Proto.InferenceFailure f) {
    return new Failure(
        kind(f.getKind()),
        line(f.getText(), TEXT_CHARS),
        line(f.getParam(), WORD_CHARS),
        line(f.getCode(), WORD_CHARS),
        measure(f.hasRetryAfterMs(), f.getRetryAfterMs()));
  }

  /// The parameters that an offer is said to honour: those of them that could be some.
  static NavigableSet<String> read(Proto.Honoured h) {
    NavigableSet<String> names = new TreeSet<>();
    for (String name : h.getParametersList()) {
      if (names.size() < MarketLimits.PARAMETERS && name.matches(MarketLimits.PARAMETER)) {
        names.add(name);
      }
    }
    return Collections.unmodifiableNavigableSet(names);
  }

  static Proto.ModelSignature write(ModelSignature s) {
    Proto.ModelSignature.Builder b = Proto.ModelSignature.newBuilder();
    s.inputs().forEach(t -> b.addInputs(write(t)));
    s.outputs().forEach(t -> b.addOutputs(write(t)));
    return b.build();
  }

  private static Proto.TensorShape write(ModelSignature.Tensor t) {
    return Proto.TensorShape.newBuilder()
        .setName(t.name())
        .setDatatype(t.datatype())
        .addAllShape(t.shape())
        .build();
  }

  static ModelSignature read(Proto.ModelSignature s) {
    return new ModelSignature(tensors(s.getInputsList()), tensors(s.getOutputsList()));
  }

  private static List<ModelSignature.Tensor> tensors(List<Proto.TensorShape> list) {
    return list.stream()
        .map(t ->
            new ModelSignature.Tensor(
                line(t.getName(), WORD_CHARS), line(t.getDatatype(), WORD_CHARS), t.getShapeList()))
        .toList();
  }

  private static OptionalLong measure(boolean present, long value) {
    return present && value >= 0 ? OptionalLong.of(value) : OptionalLong.empty();
  }

  /// Somebody else's text as one line that a message or a record can have: no control characters,
  /// no half of a surrogate pair.
  ///
  /// @param most code points at most
  static String line(String text, int most) {
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .limit(most)
        .map(c ->
            Character.isISOControl(c)
                    || (c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE)
                ? ' '
                : c)
        .forEach(out::appendCodePoint);
    return out.toString();
  }

  private static String word(Failure.Kind kind) {
    return kind.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /// A kind that is not known here counts as broken.
  private static Failure.Kind kind(String word) {
    for (Failure.Kind kind : Failure.Kind.values()) {
      if (word(kind).equals(word)) {
        return kind;
      }
    }
    return Failure.Kind.BROKEN;
  }
}
