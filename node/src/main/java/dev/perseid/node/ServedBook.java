package dev.perseid.node;

import com.google.protobuf.ByteString;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Inference;
import dev.perseid.core.JobId;
import dev.perseid.core.MalformedException;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.Outcome;
import dev.perseid.core.SignedModelOffer;
import dev.perseid.inference.Claim;
import dev.perseid.journal.Merkle;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What a provider remembers of the orders that it served, and of its offers, to check the pool's
/// bills. What agrees it signs; by its signature it gives up nothing more than
/// [ServingLimits#MISSING_PERMILLE] of what it claims. Safe for any thread.
final class ServedBook {
  /// How an order ended here.
  ///
  /// @param complete whether the answer was given to its end
  record End(
      boolean complete,
      Claim claim,
      OptionalLong startedUs,
      OptionalLong firstUs,
      OptionalLong endedUs,
      Blob answer) {
    /// It never began.
    static final End REFUSED =
        new End(
            false,
            Claim.NONE,
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            Blob.EMPTY);
  }

  private static final class Line {
    final Proto.ModelOrder order;
    final Hash request;
    boolean cancelled;
    boolean lost;

    /// A bill of it was wrong.
    boolean disputed;

    @Nullable End end;

    /// @param order without its body
    Line(Proto.ModelOrder order, Hash request) {
      this.order = order;
      this.request = request;
    }
  }

  private long lastEndNs = System.nanoTime();

  private record Offered(ModelOffer offer, Model model) {}

  /// A bill that is refused.
  private static final class Disagreement extends Exception {
    Disagreement(String message) {
      super(message, null, false, false);
    }
  }

  private final Address pool;
  private final Key key;
  private final Map<Hash, Offered> offers = new Oldest<>(ServingLimits.REMEMBERED_OFFERS);
  private final Map<Long, Line> lines = new Oldest<>(ServingLimits.REMEMBERED_ORDERS);

  private static final class Oldest<K, V> extends LinkedHashMap<K, V> {
    private static final long serialVersionUID = 1;
    private final int most;

    Oldest(int most) {
      this.most = most;
    }

    @Override
    protected boolean removeEldestEntry(Map.Entry<K, V> eldest) {
      return size() > most;
    }
  }

  ServedBook(Address pool, Key key) {
    this.pool = pool;
    this.key = key;
  }

  /// An offer is made: orders and bills may name it from now on.
  synchronized void offered(SignedModelOffer offer, Model model) {
    offers.put(offer.hash(), new Offered(offer.offer(), model));
  }

  /// An order came; false if one of its number did before.
  synchronized boolean taken(Proto.ModelOrder order) {
    if (lines.containsKey(order.getNumber())) {
      return false;
    }
    Proto.ModelOrder small = order.toBuilder().clearBody().build();
    lines.put(order.getNumber(), new Line(small, ServedOrder.hash(order.getBody())));
    return true;
  }

  /// The pool cancelled it.
  synchronized void cancelled(long number) {
    Line line = lines.get(number);
    if (line != null) {
      line.cancelled = true;
    }
  }

  /// The stream broke before it ended.
  synchronized void lost(long number) {
    Line line = lines.get(number);
    if (line != null) {
      line.lost = true;
    }
  }

  /// It ended.
  synchronized void ended(long number, End end) {
    Line line = lines.get(number);
    lastEndNs = System.nanoTime();
    if (line != null && line.end == null) {
      line.end = end;
    }
  }

  /// When the last order ended, by the monotonic clock.
  synchronized long lastEndNs() {
    return lastEndNs;
  }

  /// Orders that ended and for which no bill has come.
  synchronized int unbilled() {
    int count = 0;
    for (Line line : lines.values()) {
      if (line.end != null && !line.lost && !line.disputed) {
        count++;
      }
    }
    return count;
  }

  /// Checks a bill. If all of it agrees, the answer has the signature; else the reason why not, and
  /// the pool records the orders without pay.
  Proto.BillSignature sign(Proto.Bill bill) {
    Proto.BillSignature.Builder answer =
        Proto.BillSignature.newBuilder().setNumber(bill.getNumber());
    try {
      List<Hash> digests = check(bill);
      Hash root = Merkle.rootOfDigests(digests);
      String signature = key.sign(Digests.batch(pool, root, digests.size()));
      return answer
          .setRoot(Translation.bytes(root))
          .setSignature(Translation.signature(signature))
          .build();
    } catch (Disagreement e) {
      return answer.setReason(String.valueOf(e.getMessage())).build();
    }
  }

  /// An order is billed once: its line is taken out when its bill is signed. The pool may send
  /// those of a bill that was not signed again, without the one that was wrong.
  private List<Hash> check(Proto.Bill bill) throws Disagreement {
    if (bill.getRecordsCount() == 0 || bill.getRecordsCount() > ServingLimits.BILL_RECORDS) {
      throw new Disagreement(
          "the bill has "
              + bill.getRecordsCount()
              + " records; 1 to "
              + ServingLimits.BILL_RECORDS
              + " can be signed at once");
    }
    List<ExecutionRecord> records = new ArrayList<>(bill.getRecordsCount());
    Set<Long> seen = new HashSet<>();
    String problem = null;
    for (ByteString bytes : bill.getRecordsList()) {
      ExecutionRecord record = read(bytes);
      String wrong = seen.add(record.lease()) ? problem(record) : "it is billed twice";
      if (wrong != null && problem == null) {
        problem = "order " + record.lease() + " (" + record.taskName() + "): " + wrong;
      }
      records.add(record);
    }
    if (problem != null) {
      throw new Disagreement(problem);
    }
    synchronized (this) {
      lines.keySet().removeAll(seen);
    }
    return Digests.records(records);
  }

  private static ExecutionRecord read(ByteString bytes) throws Disagreement {
    try {
      Entry entry = EntryCodec.decode(bytes.toByteArray());
      if (!entry.attestation().equals(new Entry.Attestation.PoolOnly())) {
        throw new Disagreement("a record names a signature that does not exist yet");
      }
      return entry.record();
    } catch (MalformedException e) {
      throw new Disagreement("a record cannot be read: " + e.getMessage());
    }
  }

  private synchronized @Nullable String problem(ExecutionRecord r) {
    Line line = lines.get(r.lease());
    String problem = problem(r, line);
    if (problem != null && line != null) {
      line.disputed = true;
    }
    return problem;
  }

  private @Nullable String problem(ExecutionRecord r, @Nullable Line line) {
    Inference i = r.inference().orElse(null);
    if (i == null) {
      return "it is no request to a model";
    }
    if (!r.pool().equals(pool) || !r.provider().equals(key.address())) {
      return "it is of another pool or provider";
    }
    Offered offered = offers.get(r.offer());
    if (offered == null) {
      return "it names an offer that this provider did not make";
    }
    String problem = termsProblem(r, i, offered);
    if (problem != null) {
      return problem;
    }
    if (line != null) {
      return lineProblem(r, i, line);
    }
    return offered.offer().endpoint().isEmpty() ? "this provider did not serve it" : null;
  }

  /// Whether model, charge and split are those of the offer.
  private static @Nullable String termsProblem(ExecutionRecord r, Inference i, Offered offered) {
    ModelOffer o = offered.offer();
    Model m = offered.model();
    if (!r.module().equals(o.model())
        || !r.kind().equals(m.fullName())
        || !i.author().equals(m.author())
        || !i.quantisation().equals(o.quantisation())
        || !r.engine().equals(o.backend())) {
      return "it names another model, author, quantisation or backend than its offer";
    }
    boolean billed =
        r.outcome() == Outcome.DONE
            || (r.outcome() == Outcome.CANCELLED && i.completionTokens() > 0);
    long charge =
        billed
            ? o.price().charge(i.promptTokens(), i.cachedTokens(), i.completionTokens(), i.rows())
            : 0;
    if (r.charge() != charge) {
      return "it costs " + r.charge() + " microcredits; by the offer it is " + charge;
    }
    if (i.toAuthor() != o.toAuthor(charge) || i.toPool() != o.toPool(charge)) {
      return "its charge is not divided as the offer says";
    }
    return null;
  }

  /// Whether it is the order that was served, and what was served is paid.
  private static @Nullable String lineProblem(ExecutionRecord r, Inference i, Line line) {
    Proto.ModelOrder order = line.order;
    if (!r.taskName().equals(order.getRequestId())
        || !Translation.bytes(r.consumer()).equals(order.getConsumer())
        || !r.job().equals(JobId.tab(r.consumer()))
        || !Translation.bytes(r.offer()).equals(order.getOffer())
        || !i.api().equals(order.getApi())
        || !r.argsHash().equals(line.request)) {
      return "it is not the order that came (request, consumer, offer, call or body)";
    }
    End end = line.end;
    if (end == null || line.lost || !end.complete()) {
      if (r.outcome() == Outcome.DONE) {
        return "it is billed as done, but its answer was not given to its end";
      }
      boolean over = end != null || line.lost || line.cancelled;
      if (!over) {
        return "it is billed as ended, but it still runs";
      }
      return r.outcome() == Outcome.CANCELLED && end != null && line.cancelled
          ? missing(i, end.claim(), order, ServingLimits.UNDERWAY_TOKENS)
          : null;
    }
    if (r.outcome() != Outcome.DONE) {
      return line.cancelled
          ? null
          : "its answer was given to its end, but it is billed as " + r.outcome();
    }
    List<Blob> answer = end.answer().equals(Blob.EMPTY) ? List.of() : List.of(end.answer());
    if (!r.outputs().equals(answer)) {
      return "the answer that it names is not the one that was given";
    }
    if (!r.startedUs().equals(end.startedUs())
        || !r.endedUs().equals(end.endedUs())
        || !i.firstTokenUs().equals(end.firstUs())) {
      return "its times are not those that this provider told";
    }
    return missing(i, end.claim(), order, 0);
  }

  private static @Nullable String missing(
      Inference i, Claim claim, Proto.ModelOrder order, long underway) {
    boolean language = order.getApi().equals("chat") || order.getApi().equals("completion");
    long completion =
        order.getMaxTokens() > 0
            ? Math.min(claim.completionTokens(), order.getMaxTokens())
            : claim.completionTokens();
    String problem = missing("prompt tokens", i.promptTokens(), claim.promptTokens(), 0);
    if (problem == null && i.cachedTokens() > claim.cachedTokens()) {
      problem =
          "it has "
              + i.cachedTokens()
              + " cached tokens at their lower price; "
              + claim.cachedTokens()
              + " are claimed";
    }
    if (problem == null && language) {
      problem = missing("completion tokens", i.completionTokens(), completion, underway);
    }
    if (problem == null && !language) {
      problem = missing("rows", i.rows(), claim.rows(), 0);
    }
    return problem;
  }

  private static @Nullable String missing(String what, long billed, long claimed, long underway) {
    if (billed > claimed) {
      return "it bills " + billed + " " + what + "; no more than " + claimed + " are claimed";
    }
    long tolerated =
        claimed / 1_000 * ServingLimits.MISSING_PERMILLE
            + claimed % 1_000 * ServingLimits.MISSING_PERMILLE / 1_000
            + ServingLimits.MISSING_TOKENS
            + underway;
    return claimed - billed > tolerated
        ? "it bills " + billed + " " + what + " of " + claimed + " that were delivered"
        : null;
  }
}
