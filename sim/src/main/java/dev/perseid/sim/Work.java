package dev.perseid.sim;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Comparison;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Form;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/// What the tasks of the simulated world compute: outputs and gas follow from module, arguments and
/// inputs alone, as with real portable tasks, so that anyone can tell a right result from a wrong
/// one. Native tasks give on each machine something a little different.
final class Work {
  /// Arguments that begin like this make the task fail wherever it runs.
  static final String FAILS = "fail";

  private static final int LARGEST_OUTPUT_BYTES = 100_000;

  private Work() {}

  /// The outputs that this task leaves.
  static List<Blob> outputs(Lease lease) {
    Hash args = Hash.sha256(lease.args().getBytes(StandardCharsets.UTF_8));
    List<Blob> right = outputs(lease.kind().module().hash(), args, lease.inputs(), lease.outputs());
    boolean varies =
        lease.kind().form() instanceof Form.Native n
            && !(n.comparison() instanceof Comparison.Exact);
    return varies ? right.stream().map(b -> varied(b, lease.provider())).toList() : right;
  }

  /// What a native task gives on one machine: in some bytes something else than on another.
  private static Blob varied(Blob blob, Address provider) {
    Hash h = blob.hash();
    return blob.equals(Blob.EMPTY)
        ? blob
        : new Blob(new Hash(h.a(), h.b(), h.c(), Dice.mix(provider.hashCode())), blob.sizeBytes());
  }

  /// Whether two results are alike.
  static boolean alike(List<Blob> as, List<Blob> bs) {
    boolean alike = as.size() == bs.size();
    for (int i = 0; alike && i < as.size(); i++) {
      alike =
          as.get(i).sizeBytes() == bs.get(i).sizeBytes()
              && as.get(i).hash().a() == bs.get(i).hash().a();
    }
    return alike;
  }

  /// Whether the record's outputs are the ones that its module, arguments and inputs give.
  static boolean isRight(ExecutionRecord r) {
    List<Blob> right = outputs(r.module(), r.argsHash(), r.inputs(), r.outputs().size());
    return r.isReplayable() ? r.outputs().equals(right) : alike(r.outputs(), right);
  }

  /// Whether this task fails wherever it runs.
  static boolean fails(Lease lease) {
    return lease.args().startsWith(FAILS);
  }

  /// The gas that this task uses, at most `lease.kind().gasLimit()`; none if it is native.
  static OptionalLong gas(Lease lease) {
    return lease.kind().isNative()
        ? OptionalLong.empty()
        : OptionalLong.of(
            Math.floorMod(
                Dice.mix(lease.kind().module().hash().a() ^ lease.task()),
                lease.kind().gasLimit()));
  }

  private static List<Blob> outputs(Hash module, Hash args, List<Blob> inputs, int count) {
    long seed = Dice.mix(module.a() ^ Dice.mix(args.a()));
    for (Blob input : inputs) {
      seed = Dice.mix(seed + input.hash().a());
    }
    List<Blob> outputs = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      Dice dice = new Dice(seed + i);
      int size = dice.below(LARGEST_OUTPUT_BYTES);
      outputs.add(
          size == 0
              ? Blob.EMPTY
              : new Blob(new Hash(dice.next(), dice.next(), dice.next(), dice.next()), size));
    }
    return List.copyOf(outputs);
  }
}
