package dev.perseid.node;

import com.google.protobuf.ByteString;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Command;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Limits;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelOrder;
import dev.perseid.core.ModelView;
import dev.perseid.core.Money;
import dev.perseid.core.Outcome;
import dev.perseid.core.Pool;
import dev.perseid.core.ProviderView;
import dev.perseid.core.Served;
import dev.perseid.core.SignedModelOffer;
import dev.perseid.core.Standing;
import dev.perseid.core.Text;
import dev.perseid.gateway.Market;
import dev.perseid.gateway.Till;
import dev.perseid.inference.Api;
import dev.perseid.inference.AuditPolicy;
import dev.perseid.inference.Backend;
import dev.perseid.inference.Claim;
import dev.perseid.inference.Failure;
import dev.perseid.inference.ModelSignature;
import dev.perseid.inference.Request;
import dev.perseid.inference.Tokens;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.io.Closeable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/// The pool as a market for inference: places requests with providers, meters the answers, has them
/// signed, recorded and paid. What is listed, offered, owned and owed is in the core's state; here
/// is what runs now. Safe for any thread; nothing but [#refresh] and [#refreshKeys] blocks.
final class PoolMarket implements Market, Closeable {
  /// Opens a provider's own server, where the pool may call it itself.
  interface DirectCall {
    /// Empty if this pool does not call that endpoint.
    Optional<Backend> open(ModelOffer offer);
  }

  /// How the body of a request begins that can be audited: the provider names the tokens of its
  /// answer, as vLLM's servers do.
  static final String NAMED = "{\"return_token_ids\":true,";

  private static final int NO_SUSPICION = 1_000;

  private final Address self;
  private final PoolMill mill;
  private final InstantSource clock;
  private final DirectCall directCall;
  private final TokenShelf tokenShelf;
  private final PoolAudits audits;
  private final SecureRandom random = new SecureRandom();
  private final Tabs tabs;
  private final Biller biller;
  private final PoolTill till;
  private final AtomicLong nextNumber;
  private final AtomicInteger underWay = new AtomicInteger();
  private final Map<Address, ServingStream> streams = new ConcurrentHashMap<>();
  private final Map<Hash, Desk> desks = new ConcurrentHashMap<>();
  private final Map<Hash, OfferStats> stats = new ConcurrentHashMap<>();
  private final Map<Hash, ModelSignature> takes = new ConcurrentHashMap<>();
  private final Thread thread;

  /// Counts long prompts, which takes a second for each megabyte: not on a loop that others need.
  private final ThreadPoolExecutor counting =
      new ThreadPoolExecutor(
          1,
          1,
          0,
          TimeUnit.SECONDS,
          new ArrayBlockingQueue<>(MarketLimits.COUNTING),
          Thread.ofPlatform().name("long-prompts").daemon().factory());

  private final KeyBook keys = new KeyBook();
  private volatile Catalog catalog = new Catalog(0, List.of(), Map.of());
  private volatile Listed listed = new Listed(List.of(), Map.of(), Map.of());
  private volatile boolean closing;

  /// What the core says at one moment.
  ///
  /// @param models all of them
  /// @param names display names of providers
  /// @param signatures of the offers in force, by their digests
  record Listed(List<ModelView> models, Map<Address, String> names, Map<Hash, String> signatures) {}

  private record Snapshot(
      List<ModelView> models,
      List<SignedModelOffer> offers,
      List<ProviderView> providers,
      Money money) {}

  PoolMarket(
      Address self,
      PoolMill mill,
      InstantSource clock,
      RecordDigests digests,
      TokenShelf tokenShelf,
      PoolAudits audits,
      PaymentTerms payments,
      DirectCall directCall) {
    this.self = self;
    this.mill = mill;
    this.clock = clock;
    this.tokenShelf = tokenShelf;
    this.audits = audits;
    this.directCall = directCall;
    Tabs.Core core = (command, reply) -> mill.post(loop -> loop.submit(command, reply));
    this.tabs = new Tabs(core);
    this.biller =
        new Biller(
            self,
            digests,
            tabs,
            keys,
            core,
            provider -> Optional.ofNullable(streams.get(provider)));
    this.till = new PoolTill(self, mill, tabs, core, new Measure(), payments, clock);
    // Numbers are by the clock, so that they differ from those before a restart.
    this.nextNumber = new AtomicLong(nowUs());
    this.thread =
        Thread.ofPlatform()
            .name("market")
            .daemon()
            .uncaughtExceptionHandler((_, bug) -> stopFor(bug))
            .unstarted(this::run);
  }

  /// Gives back what tabs had before a restart, reads the catalog, and sets the billing going.
  void start() throws PoolMill.Unavailable {
    for (Address owner : mill.ask(Pool::tabs)) {
      mill.command(new Command.EmptyTab(owner));
    }
    audits.start(this, mill);
    refreshKeys();
    refresh();
    thread.start();
  }

  private long nowUs() {
    return ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
  }

  /// A pool that answers and cannot bill must not go on.
  private void stopFor(Throwable bug) {
    mill.post(_ -> {
      throw new IllegalStateException("the market's thread has died", bug);
    });
  }

  private void run() {
    long refreshedMs = 0;
    while (!closing) {
      LockSupport.parkNanos(MarketLimits.BILL_MS * 1_000_000);
      long nowMs = clock.millis();
      try {
        biller.tick(nowMs);
        if (nowMs - refreshedMs >= MarketLimits.CATALOG_MS) {
          refreshedMs = nowMs;
          tabs.tick(nowMs);
          long nowNs = System.nanoTime();
          for (ServingStream stream : streams.values()) {
            stream.sweep(nowNs);
          }
          refresh();
        }
      } catch (PoolMill.Unavailable e) {
        // The pool has stopped or is overloaded: what is in the catalog stays as it is.
        LockSupport.parkNanos(MarketLimits.CATALOG_MS * 1_000_000);
      }
    }
  }

  /// Reads the core's state again. Blocks until it answers.
  synchronized void refresh() throws PoolMill.Unavailable {
    Snapshot now =
        mill.ask(pool ->
            new Snapshot(pool.models(), pool.modelOffers(), pool.providers(), pool.money()));
    till.reckon(now.money());
    Map<Address, String> names = new HashMap<>();
    for (ProviderView p : now.providers()) {
      Address address = p.offer().provider();
      names.put(address, p.offer().name());
      ServingStream stream = streams.get(address);
      if (stream != null
          && (stream.session < p.session() || p.state() == ProviderView.State.GONE)) {
        stream.close();
      }
    }
    Map<Hash, String> signatures = new HashMap<>();
    for (SignedModelOffer offer : now.offers()) {
      signatures.put(offer.hash(), offer.signature());
    }
    listed = new Listed(now.models(), names, signatures);
    list(now);
  }

  /// Reads the API keys again: to be called when one was made or revoked, which is here only.
  synchronized void refreshKeys() throws PoolMill.Unavailable {
    keys.refresh(mill.ask(pool -> pool.apiKeys(null)), clock.millis());
  }

  /// The API keys.
  KeyBook keys() {
    return keys;
  }

  private void list(Snapshot now) {
    Map<Hash, Model> byManifest = new HashMap<>();
    List<Model> models = new ArrayList<>();
    for (ModelView m : now.models()) {
      if (!m.withdrawn()) {
        byManifest.put(m.model().manifest(), m.model());
        models.add(m.model());
        tokenShelf.want(m.model());
      }
    }
    Map<Hash, List<Listing>> listings = new HashMap<>();
    Set<Hash> inForce = new HashSet<>();
    for (SignedModelOffer signed : now.offers()) {
      Model model = byManifest.get(signed.offer().model());
      if (model == null) {
        continue;
      }
      inForce.add(signed.hash());
      Desk desk = desks.computeIfAbsent(signed.hash(), _ -> desk(signed, model));
      listings
          .computeIfAbsent(model.manifest(), _ -> new ArrayList<>())
          .add(new Listing(signed.hash(), signed.offer(), model, live(desk)));
    }
    for (Map.Entry<Hash, Desk> e : Map.copyOf(desks).entrySet()) {
      if (!inForce.contains(e.getKey()) && e.getValue().running.get() == 0) {
        desks.remove(e.getKey());
        e.getValue().direct.ifPresent(Backend::close);
      }
    }
    catalog = new Catalog(catalog.version() + 1, List.copyOf(models), Map.copyOf(listings));
  }

  private Desk desk(SignedModelOffer signed, Model model) {
    ModelOffer offer = signed.offer();
    Optional<Backend> direct =
        offer.endpoint().isEmpty() ? Optional.empty() : directCall.open(offer);
    if (stats.size() > Limits.MODEL_OFFERS) {
      stats.keySet().retainAll(desks.keySet());
    }
    return new Desk(
        signed, model, direct, stats.computeIfAbsent(signed.hash(), _ -> new OfferStats()));
  }

  private Live live(Desk desk) {
    OfferStats s = desk.stats;
    Optional<Proto.ModelHealth> health =
        Optional.ofNullable(streams.get(desk.offer().provider()))
            .flatMap(stream -> stream.health(desk.offer().model()));
    boolean reachable;
    int waiting;
    if (desk.direct.isPresent()) {
      Backend.Health own = desk.direct.get().health();
      reachable = own.healthy() && streams.containsKey(desk.offer().provider());
      waiting = own.waiting();
    } else {
      reachable = health.map(Proto.ModelHealth::getHealthy).orElse(false);
      waiting = health.map(Proto.ModelHealth::getWaiting).orElse(0);
    }
    return new Live(
        reachable,
        desk.running.get(),
        waiting,
        s.firstMs(0.5),
        s.firstMs(0.9),
        s.tokensPerS(),
        s.failedShare(),
        s.microjoulesPerToken(),
        trust(desk),
        health.filter(Proto.ModelHealth::hasHonours).map(h -> InferenceParts.read(h.getHonours())));
  }

  private int trust(Desk desk) {
    return switch (standing(desk.offer())) {
      case HONEST, UNDECIDED, ACCUSED -> NO_SUSPICION;
      case CHEATING -> 0;
    };
  }

  /// What audits say of a provider's serving under an offer.
  Standing standing(ModelOffer offer) {
    return audits.standing(offer.provider(), offer.model());
  }

  /// How much answers of a model are audited; empty if they cannot be.
  Optional<AuditPolicy> audited(Model model) {
    return model.format().equals("gguf") ? Optional.of(audits.policy(model)) : Optional.empty();
  }

  /// What the core listed at the last look.
  Listed listed() {
    return listed;
  }

  @Override
  public Optional<Caller> caller(String apiKey) {
    return keys.find(apiKey, clock.millis()).map(Sessions.Session::asCaller);
  }

  @Override
  public Catalog catalog() {
    return catalog;
  }

  @Override
  public Optional<Tokens> tokens(Hash model) {
    return tokenShelf.get(model);
  }

  /// What a listed model takes and gives, as its manifest says.
  void takes(Hash model, Optional<ModelSignature> signature) {
    signature.ifPresent(s -> takes.put(model, s));
  }

  @Override
  public Optional<ModelSignature> signature(Hash model) {
    return Optional.ofNullable(takes.get(model));
  }

  /// An offer that can be asked for now.
  Optional<Listing> listing(Hash offerHash) {
    Desk desk = desks.get(offerHash);
    return desk == null
        ? Optional.empty()
        : Optional.of(new Listing(offerHash, desk.offer(), desk.model(), live(desk)));
  }

  @Override
  public Optional<Till> till() {
    return Optional.of(till);
  }

  /// Where payments that come with requests are taken.
  PoolTill payments() {
    return till;
  }

  /// What requests may cost, for who pays for each.
  private final class Measure implements PoolTill.Scale {
    @Override
    public Till.Size size(Request request, boolean exactly) {
      boolean count = exactly && request.body().length <= MarketLimits.COUNTED_AT_ONCE_BYTES;
      return new Till.Size(
          mostPrompt(request, count ? tokens(request.model()) : Optional.empty()),
          Rows.of(request.api(), request.body()));
    }

    @Override
    public long most(Listing listing, Till.Size size, long maxTokens) {
      return mostCharge(listing.offer(), size.prompt(), maxTokens, size.rows());
    }
  }

  @Override
  public Placed ask(
      Caller caller, Listing listing, Request request, long maxTokens, Receiver receiver) {
    return ask(caller, listing, request, maxTokens, false, receiver);
  }

  /// As the other, also for a body that only the provider can read.
  Placed ask(
      Caller caller,
      Listing listing,
      Request asked,
      long maxTokens,
      boolean sealed,
      Receiver receiver) {
    if (!caller.rights().mayAsk(listing.model().name())) {
      // Whoever asks looked at this before; it is looked at here again, where the money is.
      receiver.failed(
          new Failure(
              Failure.Kind.REFUSED,
              "this key may not ask " + listing.model().name(),
              "model",
              "model_not_allowed",
              OptionalLong.empty()),
          new Bill(0, 0, 0, 0, 0));
      return new Placed.Running(() -> {});
    }
    Desk desk = desks.get(listing.offerHash());
    ServingStream stream = streams.get(listing.offer().provider());
    if (desk == null || (stream == null && desk.direct.isEmpty())) {
      return new Placed.Full("the provider is not connected", MarketLimits.CATALOG_MS);
    }
    if (underWay.get() >= MarketLimits.ORDERS || biller.unrecorded() >= MarketLimits.UNRECORDED) {
      return new Placed.Full("the pool has as many requests under way as it may", 1_000);
    }
    if (desk.running.incrementAndGet() > desk.offer().parallel()) {
      desk.running.decrementAndGet();
      return new Placed.Full(
          "the provider answers " + desk.offer().parallel() + " requests already, its limit", 250);
    }
    underWay.incrementAndGet();
    Request request =
        auditable(asked, desk, sealed)
            ? new Request(
                asked.id(), asked.api(), asked.model(), auditable(asked.body()), asked.stream())
            : asked;
    Optional<Tokens> counter = sealed ? Optional.empty() : tokens(request.model());
    if (counter.isEmpty() || request.body().length <= MarketLimits.COUNTED_AT_ONCE_BYTES) {
      return new Placed.Running(place(caller, desk, request, maxTokens, sealed, counter, receiver));
    }
    CompletableFuture<Runnable> later = new CompletableFuture<>();
    try {
      counting.execute(() -> {
        try {
          later.complete(place(caller, desk, request, maxTokens, sealed, counter, receiver));
        } catch (RuntimeException bug) {
          System.getLogger(PoolMarket.class.getName())
              .log(System.Logger.Level.ERROR, "a long prompt could not be counted", bug);
          receiver.failed(
              new Failure(Failure.Kind.BROKEN, "the pool could not count the prompt"),
              new Bill(0, 0, 0, 0, 0));
        }
      });
    } catch (RejectedExecutionException e) {
      over(desk);
      return new Placed.Full("the pool counts as many long prompts as it may", 1_000);
    }
    return new Placed.Running(() -> {
      var _ = later.thenAccept(Runnable::run);
    });
  }

  /// Counts what it may cost, holds that, and goes on.
  ///
  /// @return what cancels it
  private Runnable place(
      Caller caller,
      Desk desk,
      Request request,
      long maxTokens,
      boolean sealed,
      Optional<Tokens> counter,
      Receiver receiver) {
    byte[] body = request.body();
    ModelOffer offer = desk.offer();
    long mostPrompt;
    try {
      mostPrompt = mostPrompt(request, counter);
    } catch (RuntimeException bug) {
      over(desk);
      throw bug;
    }
    if (request.api() == Api.CHAT
        && counter.isPresent()
        && offer.contextTokens() > 0
        && mostPrompt >= offer.contextTokens()) {
      over(desk);
      receiver.failed(
          new Failure(
              Failure.Kind.TOO_LONG,
              "The prompt has "
                  + mostPrompt
                  + " tokens, but this offer takes "
                  + offer.contextTokens()
                  + " for prompt and answer together.",
              "messages",
              "",
              OptionalLong.empty()),
          new Bill(0, 0, 0, 0, 0));
      return () -> {};
    }
    long mostRows = sealed ? body.length : Rows.of(request.api(), body);
    long hold = mostCharge(offer, mostPrompt, maxTokens, mostRows);
    long us = nowUs();
    ModelOrder order =
        new ModelOrder(
            nextNumber.incrementAndGet(),
            request.id(),
            caller.account(),
            desk.signed.hash(),
            request.api().word(),
            new Blob(Hash.sha256(body), body.length),
            us,
            us,
            hold);
    OptionalLong left = keys.hold(caller.keys(), hold);
    if (left.isPresent()) {
      over(desk);
      receiver.failed(
          new Failure(
              Failure.Kind.UNPAID,
              "the request may cost "
                  + Text.credits(hold)
                  + ", and this key may spend "
                  + Text.credits(left.getAsLong())
                  + " more: ask for a shorter answer (max_tokens), or make a key with a higher limit",
              "",
              "key_limit_reached",
              OptionalLong.empty()),
          new Bill(0, 0, 0, 0, 0));
      return () -> {};
    }
    PlacedOrder placed =
        new PlacedOrder(
            self,
            order,
            caller.keys(),
            desk,
            request,
            sealed,
            Math.max(0, maxTokens),
            mostPrompt,
            mostRows,
            counter,
            receiver,
            this::ended);
    tabs.hold(
        caller.account(),
        hold,
        us / 1_000,
        () -> go(placed, maxTokens),
        why -> {
          over(desk);
          keys.ended(caller.keys(), hold, 0);
          receiver.failed(new Failure(Failure.Kind.UNPAID, why), new Bill(0, 0, 0, 0, 0));
        });
    return placed::cancel;
  }

  /// The most that a plain request to a language model may cost.
  long mostCharge(ModelOffer offer, Request request, long maxTokens) {
    return mostCharge(offer, mostPrompt(request, tokens(request.model())), maxTokens, 0);
  }

  private static long mostCharge(ModelOffer offer, long prompt, long maxTokens, long rows) {
    long most = Math.max(0, maxTokens);
    return Math.max(
        offer.price().charge(prompt, 0, most, rows),
        offer.price().charge(prompt, prompt, most, rows));
  }

  /// What the prompt can be billed as, at most: a token has at least one byte.
  private static long mostPrompt(Request request, Optional<Tokens> counter) {
    int bytes = request.body().length;
    return switch (request.api()) {
      case CHAT, COMPLETION, EMBEDDING ->
          counter
              .map(c -> (long) c.promptTokens(request.api(), request.body()))
              .orElse((long) bytes);
      case INFER -> 0;
    };
  }

  private void go(PlacedOrder placed, long maxTokens) {
    Desk desk = placed.desk;
    if (desk.direct.isPresent() && !placed.sealed) {
      placed.stopWith(desk.direct.get().ask(placed.request, placed));
      return;
    }
    Request request = placed.request;
    Proto.ModelOrder message =
        Proto.ModelOrder.newBuilder()
            .setNumber(placed.order.number())
            .setRequestId(request.id())
            .setConsumer(Translation.bytes(placed.order.consumer()))
            .setOffer(Translation.bytes(placed.order.offer()))
            .setModel(Translation.bytes(request.model()))
            .setApi(request.api().word())
            .setBody(ByteString.copyFrom(request.body()))
            .setStream(request.stream())
            .setSealed(placed.sealed)
            .setMaxTokens(Math.max(0, maxTokens))
            .build();
    ServingStream stream = streams.get(desk.offer().provider());
    if (stream == null || !stream.place(placed, message)) {
      placed.failed(
          new Failure(
              Failure.Kind.BUSY,
              "the provider is gone or reads too slowly",
              "",
              "",
              OptionalLong.of(1_000)),
          Claim.NONE);
    }
  }

  private boolean auditable(Request request, Desk desk, boolean sealed) {
    return request.api() == Api.CHAT
        && !sealed
        && PoolAudits.canAudit(desk.model(), desk.offer())
        && tokens(desk.model().manifest()).isPresent();
  }

  /// Asks the provider to name the tokens of its answer, as vLLM's `return_token_ids` does, and to
  /// draw them with a seed that nobody could foresee, unless the consumer chose one: of all chats,
  /// so that those that will be audited look like the others. One that was asked so before stays as
  /// it is: a repeated request must not look like one.
  private byte[] auditable(byte[] body) {
    int brace = 0;
    while (brace < body.length && body[brace] != '{') {
      brace++;
    }
    if (brace == body.length) {
      return body;
    }
    String text = new String(body, StandardCharsets.ISO_8859_1);
    if (text.startsWith(NAMED)) {
      return body;
    }
    String more =
        NAMED.substring(1)
            + (text.contains("\"seed\"") ? "" : "\"seed\":" + (random.nextLong() >>> 11) + ",");
    byte[] front = more.getBytes(StandardCharsets.US_ASCII);
    byte[] named = new byte[body.length + front.length];
    System.arraycopy(body, 0, named, 0, brace + 1);
    System.arraycopy(front, 0, named, brace + 1, front.length);
    System.arraycopy(body, brace + 1, named, brace + 1 + front.length, body.length - brace - 1);
    return named;
  }

  private void over(Desk desk) {
    desk.running.decrementAndGet();
    underWay.decrementAndGet();
  }

  private void ended(PlacedOrder placed, Served served, ExecutionRecord record, Claim claim) {
    Desk desk = placed.desk;
    if (served.outcome() == Outcome.DONE && auditable(placed.request, desk, placed.sealed)) {
      audits.answered(
          new PoolAudits.Answered(
              placed.order.consumer(),
              desk.model(),
              desk.offer(),
              placed.request,
              placed.parts(),
              claim,
              placed.maxTokens));
    }

    over(placed.desk);
    biller.add(placed.order, placed.keys, served, placed.desk.offer(), placed.desk.model(), record);
    keys.ended(placed.keys, placed.order.maxCharge(), record.charge());
    tabs.ended(placed.order.consumer(), placed.order.maxCharge(), record.charge());
  }

  /// A provider has opened its stream; an older one ends.
  void opened(ServingStream stream) {
    ServingStream before = streams.put(stream.provider, stream);
    if (before != null) {
      before.close();
    }
  }

  /// A stream is over.
  void closed(ServingStream stream) {
    if (streams.remove(stream.provider, stream)) {
      biller.gone(stream.provider);
    }
    stream.lost("the provider's connection was lost");
  }

  /// A provider has answered a bill.
  void signed(ServingStream stream, Proto.BillSignature answer) {
    biller.signed(stream.provider, answer);
  }

  @Override
  public void close() {
    closing = true;
    counting.shutdown();
    audits.close();
    try {
      till.close();
    } catch (IOException e) {
      System.getLogger(PoolMarket.class.getName())
          .log(System.Logger.Level.WARNING, "the slips of payments were not closed", e);
    }
    LockSupport.unpark(thread);
    for (ServingStream stream : streams.values()) {
      stream.end();
    }
    for (Desk desk : desks.values()) {
      desk.direct.ifPresent(Backend::close);
    }
  }
}
