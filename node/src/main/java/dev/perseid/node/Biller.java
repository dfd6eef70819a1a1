package dev.perseid.node;

import com.google.protobuf.ByteString;
import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelOrder;
import dev.perseid.core.Rejection;
import dev.perseid.core.Served;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;

/// Has ended requests signed by their providers, batch by batch, and then recorded and paid by the
/// core. What a provider does not sign within [MarketLimits#SIGN_MS] is recorded on the pool's word
/// alone and costs nothing. So a provider risks what it delivered in the last moments before it
/// vanished, and a consumer nothing. Safe for any thread.
final class Biller {
  private record Item(
      ModelOrder order,
      List<Hash> keys,
      Served served,
      ModelOffer offer,
      Model model,
      ExecutionRecord record) {}

  private static final class Sent {
    final Address provider;
    final List<Item> items;
    final List<Hash> digests;
    final long sentMs;

    Sent(Address provider, List<Item> items, List<Hash> digests, long sentMs) {
      this.provider = provider;
      this.items = items;
      this.digests = digests;
      this.sentMs = sentMs;
    }
  }

  private final Address pool;
  private final RecordDigests digests;
  private final Tabs tabs;
  private final KeyBook keys;
  private final Tabs.Core core;
  private final Function<Address, Optional<ServingStream>> streams;
  private final Map<Address, ArrayDeque<Item>> ended = new HashMap<>();
  private final Map<Long, Sent> sent = new HashMap<>();
  private final AtomicLong unrecorded = new AtomicLong();
  private final List<Runnable> again = new ArrayList<>();
  private long nextBill = 1;

  /// @param streams the stream of a provider, if it is connected
  Biller(
      Address pool,
      RecordDigests digests,
      Tabs tabs,
      KeyBook keys,
      Tabs.Core core,
      Function<Address, Optional<ServingStream>> streams) {
    this.pool = pool;
    this.digests = digests;
    this.tabs = tabs;
    this.keys = keys;
    this.core = core;
    this.streams = streams;
  }

  /// Requests that have ended and are not yet durable.
  long unrecorded() {
    return unrecorded.get();
  }

  /// A request has ended.
  ///
  /// @param line the API key with which it was asked and those above it
  void add(
      ModelOrder order,
      List<Hash> line,
      Served served,
      ModelOffer offer,
      Model model,
      ExecutionRecord record) {
    unrecorded.incrementAndGet();
    synchronized (this) {
      ended
          .computeIfAbsent(offer.provider(), _ -> new ArrayDeque<>())
          .add(new Item(order, line, served, offer, model, record));
    }
  }

  /// Sends bills; gives up on those that are not signed in time. To be called every
  /// [MarketLimits#BILL_MS].
  void tick(long nowMs) {
    List<Runnable> refused;
    synchronized (this) {
      refused = List.copyOf(again);
      again.clear();
    }
    refused.forEach(Runnable::run);
    while (true) {
      List<Item> items = take();
      if (items.isEmpty()) {
        break;
      }
      send(items, nowMs);
    }
    for (Sent late : late(nowMs)) {
      alone(late, "the provider did not sign the bill in time");
    }
  }

  private synchronized List<Item> take() {
    Iterator<ArrayDeque<Item>> queues = ended.values().iterator();
    while (queues.hasNext()) {
      ArrayDeque<Item> queue = queues.next();
      if (queue.isEmpty()) {
        queues.remove();
        continue;
      }
      List<Item> items = new ArrayList<>();
      while (!queue.isEmpty() && items.size() < MarketLimits.BILL_RECORDS) {
        items.add(queue.remove());
      }
      return items;
    }
    return List.of();
  }

  private void send(List<Item> items, long nowMs) {
    Address provider = items.getFirst().offer().provider();
    List<Hash> leaves = digests.records(items.stream().map(Item::record).toList());
    Sent bill = new Sent(provider, items, leaves, nowMs);
    Optional<ServingStream> stream = streams.apply(provider);
    if (stream.isEmpty()) {
      alone(bill, "the provider was gone before it signed the bill");
      return;
    }
    long number;
    synchronized (this) {
      number = nextBill++;
      sent.put(number, bill);
    }
    Proto.Bill.Builder message = Proto.Bill.newBuilder().setNumber(number);
    long bytes = 0;
    for (Item item : items) {
      byte[] record =
          EntryCodec.encode(new Entry(0, 0, item.record(), new Entry.Attestation.PoolOnly()));
      bytes += record.length;
      message.addRecords(ByteString.copyFrom(record));
    }
    if (!stream.get().send(Proto.ToServing.newBuilder().setBill(message).build(), bytes)
        && take(number, provider).isPresent()) {
      alone(bill, "the provider did not read its bill");
    }
  }

  private synchronized Optional<Sent> take(long number, Address provider) {
    Sent bill = sent.get(number);
    if (bill == null || !bill.provider.equals(provider)) {
      return Optional.empty();
    }
    sent.remove(number);
    return Optional.of(bill);
  }

  private synchronized List<Sent> late(long nowMs) {
    List<Sent> late = new ArrayList<>();
    sent.values()
        .removeIf(bill -> {
          boolean over = nowMs - bill.sentMs > MarketLimits.SIGN_MS;
          if (over) {
            late.add(bill);
          }
          return over;
        });
    return late;
  }

  /// A provider has answered a bill.
  void signed(Address provider, Proto.BillSignature answer) {
    Optional<Sent> found = take(answer.getNumber(), provider);
    if (found.isEmpty()) {
      return; // It came too late, or was never asked for.
    }
    Sent bill = found.get();
    if (answer.getSignature().isEmpty() && bill.items.size() > 1) {
      // One request that is in dispute costs the others nothing: each half on its own.
      int half = bill.items.size() / 2;
      send(bill.items.subList(0, half), bill.sentMs);
      send(bill.items.subList(half, bill.items.size()), bill.sentMs);
      return;
    }
    if (answer.getSignature().isEmpty()) {
      alone(
          bill,
          "the provider does not agree: "
              + InferenceParts.line(answer.getReason(), MarketLimits.SHOWN_CHARS));
      return;
    }
    String signature;
    try {
      signature = Translation.signature(answer.getSignature(), "signature");
    } catch (Malformed e) {
      alone(bill, "the provider's signature of the bill is malformed");
      return;
    }
    Hash root = digests.root(bill.digests);
    Hash digest = digests.batch(pool, root, bill.digests.size());
    if (!digests.signer(digest, signature).equals(Optional.of(provider))) {
      alone(bill, "the signature of the bill is not the provider's");
      return;
    }
    record(bill, bill.items.stream().map(Item::record).toList(), bill.digests, signature);
  }

  /// A provider's stream is over: what it has not signed, it will not sign.
  void gone(Address provider) {
    List<Sent> lost = new ArrayList<>();
    synchronized (this) {
      sent.values()
          .removeIf(bill -> {
            boolean its = bill.provider.equals(provider);
            if (its) {
              lost.add(bill);
            }
            return its;
          });
    }
    for (Sent bill : lost) {
      alone(bill, "the provider was gone before it signed the bill");
    }
  }

  /// Records on the pool's word alone, at no cost.
  private void alone(Sent bill, String why) {
    List<ExecutionRecord> records = new ArrayList<>();
    for (Item item : bill.items) {
      ModelOrder o = item.order();
      ModelOrder unpaid =
          new ModelOrder(
              o.number(),
              o.requestId(),
              o.consumer(),
              o.offer(),
              o.api(),
              o.request(),
              o.submittedUs(),
              o.assignedUs(),
              0);
      Served s = item.served();
      String reason = s.reason().isEmpty() ? why : s.reason() + "; " + why;
      Served unsigned =
          new Served(
              s.outcome(),
              reason,
              s.startedUs(),
              s.firstTokenUs(),
              s.endedUs(),
              s.promptTokens(),
              s.cachedTokens(),
              s.completionTokens(),
              s.rows(),
              s.usage(),
              s.answer());
      ExecutionRecord record =
          ExecutionRecord.of(pool, unpaid, unsigned, item.offer(), item.model());
      records.add(record);
    }
    record(bill, records, digests.records(records), "");
  }

  private void record(
      Sent bill, List<ExecutionRecord> records, List<Hash> leaves, String signature) {
    core.accept(
        new Command.RecordInferences(
            bill.provider,
            records,
            leaves,
            signature,
            bill.items.stream().map(Item::keys).toList()),
        reply -> {
          if (reply instanceof PoolLoop.Reply.Refused(Rejection why)
              && why.code() == Rejection.Code.OVERLOADED) {
            synchronized (this) {
              again.add(() -> record(bill, records, leaves, signature));
            }
            return;
          }
          // Of a batch that was refused in part it is not known which: then the tabs here count all
          // of it as paid, and what was not returns when they are emptied.
          for (int i = 0; i < records.size(); i++) {
            long charge = bill.items.get(i).record().charge();
            tabs.recorded(records.get(i).consumer(), charge, records.get(i).charge());
            keys.recorded(bill.items.get(i).keys(), charge, records.get(i).charge());
          }
          unrecorded.addAndGet(-records.size());
        });
  }
}
