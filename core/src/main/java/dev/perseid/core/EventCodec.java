package dev.perseid.core;

import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// Events as bytes: a version, a count, then each event as a tag and its fields, with one
/// dictionary of repeated addresses, hashes, ids and texts for the whole list. A tag's meaning
/// never changes; new events get new tags. docs/formats.md has the fields.
public final class EventCodec {
  private static final int VERSION = 1;

  private static final int GRANTED = 1;
  private static final int JOB_ACCEPTED = 2;
  private static final int TASK_ASSIGNED = 3;
  private static final int BATCH_SIGNED = 4;
  private static final int ATTEMPT_ENDED = 5;
  private static final int LEASE_RETURNED = 6;
  private static final int JOB_ENDED = 7;
  private static final int PROVIDER_JOINED = 8;
  private static final int PROVIDER_DRAINING = 9;
  private static final int PROVIDER_GONE = 10;
  private static final int REFUSED = 11;
  private static final int MODEL_PUBLISHED = 12;
  private static final int MODEL_WITHDRAWN = 13;
  private static final int MODELS_OFFERED = 14;
  private static final int TAB_FILLED = 15;
  private static final int TAB_EMPTIED = 16;
  private static final int INFERENCE_RECORDED = 17;
  private static final int API_KEY_MADE = 18;
  private static final int API_KEY_REVOKED = 19;
  private static final int AUDITED = 20;
  private static final int AUDITS_FUNDED = 21;
  private static final int AUDITS_CLOSED = 22;
  private static final int SCOPED_KEY_MADE = 23;
  private static final int API_KEY_SPENT = 24;
  private static final int MONEY_ADOPTED = 25;
  private static final int VOUCHER_TAKEN = 26;
  private static final int PURSE_SEEN = 27;
  private static final int PAID_SEEN = 28;
  private static final int BLOCK_SEEN = 29;
  private static final int PAYMENT_TAKEN = 30;
  private static final int PAYMENT_RETURNED = 31;
  private static final int EXCESS_RETURNED = 32;
  private static final int EPOCH_CLOSED = 33;
  private static final int EPOCH_CONFIRMED = 34;
  private static final int EPOCH_REOPENED = 35;
  private static final int EXIT_ASKED = 36;
  private static final int EXIT_CANCELLED = 37;
  private static final int EXITED = 38;
  private static final int PAYMENT_REVERSED = 39;
  private static final int CHECK_DRAWN = 40;
  private static final int TASK_JUDGED = 41;
  private static final int RESULTS_DOUBTED = 42;
  private static final int JOB_REOPENED = 43;
  private static final int CAPACITY_ASKED = 50;
  private static final int CAPACITY_MEASURED = 51;
  private static final int NETWORK_SEEN = 52;
  private static final int PLATFORM_SEEN = 53;
  private static final int RESULTS_COMPARED = 54;
  private static final int OPERATOR_SEEN = 55;

  /// Events of before, where GPUs are in them: as those, and more after it.
  private static final int PROVIDER_JOINED_GPUS = 56;

  private static final int CAPACITY_MEASURED_GPUS = 57;
  private static final int ATTEMPT_ENDED_GPUS = 58;

  private static final int BOND_SEEN = 59;
  private static final int PENALTY_SEEN = 60;
  private static final int CARBON_SEEN = 61;

  private static final int CREDITS = 0;
  private static final int VOUCHED_CREDITS = 1;
  private static final int ESCROW = 2;

  // A value's code is its place in these lists, for ever.
  private static final List<Event.Next> NEXT =
      List.of(
          Event.Next.DONE,
          Event.Next.RETRY,
          Event.Next.FAILED,
          Event.Next.OVER,
          Event.Next.CHECK,
          Event.Next.STALE,
          Event.Next.SPARE,
          Event.Next.OVERSTATED);
  static final List<Event.CheckReason> CHECK_REASONS =
      List.of(
          Event.CheckReason.POLICY,
          Event.CheckReason.NEWCOMER,
          Event.CheckReason.DRAWN,
          Event.CheckReason.NOT_DRAWN,
          Event.CheckReason.FAILURE,
          Event.CheckReason.NOBODY_ELSE,
          Event.CheckReason.BUDGET,
          Event.CheckReason.NATIVE);
  static final List<Platform> PLATFORMS = List.of(Platform.LINUX_X86_64, Platform.LINUX_AARCH64);
  static final List<Event.JobState> JOB_STATES =
      List.of(
          Event.JobState.RUNNING,
          Event.JobState.DONE,
          Event.JobState.FAILED,
          Event.JobState.CANCELLED);
  private static final List<Rejection.Code> CODES =
      List.of(
          Rejection.Code.INVALID,
          Rejection.Code.INSUFFICIENT_CREDITS,
          Rejection.Code.UNKNOWN,
          Rejection.Code.FORBIDDEN,
          Rejection.Code.STALE,
          Rejection.Code.OVERLOADED,
          Rejection.Code.ENDED,
          Rejection.Code.UNCOVERED);
  private static final List<ModelTask> MODEL_TASKS =
      List.of(ModelTask.CHAT, ModelTask.EMBED, ModelTask.PREDICT);
  private static final List<DataPolicy> POLICIES =
      List.of(DataPolicy.KEEPS_NOTHING, DataPolicy.KEEPS, DataPolicy.COLLECTS);

  private EventCodec() {}

  /// Encodes events, in order.
  public static byte[] encode(List<Event> events) {
    Out out = Out.withDictionary();
    out.octet(VERSION);
    out.number(events.size());
    for (Event event : events) {
      write(out, event);
    }
    return out.bytes();
  }

  /// Decodes what [#encode] made; throws [MalformedException] on anything else. Needs memory in
  /// proportion to the bytes given, whatever they claim.
  public static List<Event> decode(byte[] bytes) {
    In in = In.withDictionary(bytes);
    int version = in.octet();
    if (version != VERSION) {
      throw in.malformed("events of version " + version + " are not known here (this is 1)");
    }
    int count = in.count();
    List<Event> events = in.list(count);
    for (int i = 0; i < count; i++) {
      events.add(read(in));
    }
    in.end();
    return events;
  }

  private static void write(Out out, Event event) {
    switch (event) {
      case Event.Granted e -> {
        out.octet(GRANTED);
        out.sharedAddress(e.to());
        out.number(e.amount());
        out.text(e.memo());
        out.number(e.atUs());
      }
      case Event.JobAccepted e -> {
        out.octet(JOB_ACCEPTED);
        JobCodec.write(out, e.spec());
        out.text(e.signature());
        out.number(e.atUs());
      }
      case Event.TaskAssigned e -> {
        out.octet(TASK_ASSIGNED);
        out.number(e.lease());
        out.number(e.job());
        out.number(e.task());
        out.number(e.attempt());
        out.sharedAddress(e.provider());
        out.number(e.maxCharge());
        out.number(e.atUs());
      }
      case Event.BatchSigned e -> {
        out.octet(BATCH_SIGNED);
        writeBatch(out, e.batch());
      }
      case Event.AttemptEnded e -> {
        Gpus gpus = e.entry().record().gpus();
        out.octet(gpus.any() ? ATTEMPT_ENDED_GPUS : ATTEMPT_ENDED);
        EntryCodec.write(out, e.entry());
        out.choice(e.next(), NEXT);
        if (gpus.any()) {
          writeGpus(out, gpus);
        }
      }
      case Event.CheckDrawn e -> {
        out.octet(CHECK_DRAWN);
        out.number(e.lease());
        out.choice(e.why(), CHECK_REASONS);
        out.number(e.ppm());
        out.number(e.doubtPpm());
        out.number(e.atUs());
      }
      case Event.TaskJudged e -> {
        out.octet(TASK_JUDGED);
        out.number(e.job());
        out.number(e.task());
        writeNumbers(out, e.right());
        writeNumbers(out, e.wrong());
        out.octet(e.agreed() ? 1 : 0);
        out.number(e.atUs());
      }
      case Event.ResultsDoubted e -> {
        out.octet(RESULTS_DOUBTED);
        out.number(e.job());
        out.address(e.provider());
        out.number(e.reversed());
        out.number(e.atUs());
      }
      case Event.JobReopened e -> {
        out.octet(JOB_REOPENED);
        out.number(e.job());
        out.number(e.reserved());
        out.number(e.atUs());
      }
      case Event.NetworkSeen e -> {
        out.octet(NETWORK_SEEN);
        out.sharedAddress(e.provider());
        out.sharedText(e.network());
        out.number(e.atUs());
      }
      case Event.PlatformSeen e -> {
        out.octet(PLATFORM_SEEN);
        out.sharedAddress(e.provider());
        writePlatform(out, e.platform());
        out.number(e.atUs());
      }
      case Event.CarbonSeen e -> {
        out.octet(CARBON_SEEN);
        out.sharedAddress(e.provider());
        out.number(e.gPerKwh().orElse(-1) + 1);
        out.number(e.atUs());
      }
      case Event.OperatorSeen e -> {
        out.octet(OPERATOR_SEEN);
        out.sharedAddress(e.provider());
        writeOperator(out, e.operator());
        out.number(e.atUs());
      }
      case Event.BondSeen e -> {
        out.octet(BOND_SEEN);
        out.sharedAddress(e.provider());
        writeBond(out, e.bond());
        out.number(e.atUs());
      }
      case Event.PenaltySeen e -> {
        out.octet(PENALTY_SEEN);
        out.sharedAddress(e.provider());
        out.number(e.entry());
        out.number(e.atUs());
      }
      case Event.ResultsCompared e -> {
        out.octet(RESULTS_COMPARED);
        out.number(e.job());
        out.number(e.task());
        out.number(e.entry());
        out.number(e.like());
        out.text(e.problem());
        out.number(e.atUs());
      }
      case Event.CapacityAsked e -> {
        out.octet(CAPACITY_ASKED);
        out.number(e.id());
        out.sharedAddress(e.provider());
        out.number(e.atUs());
      }
      case Event.CapacityMeasured e -> {
        Capacity capacity = e.capacity();
        out.octet(capacity.hasGpus() ? CAPACITY_MEASURED_GPUS : CAPACITY_MEASURED);
        out.number(e.id());
        out.sharedAddress(e.provider());
        writeCapacity(out, capacity);
        out.number(e.nextUs());
        if (capacity.hasGpus()) {
          writeShownGpus(out, capacity);
        }
      }
      case Event.LeaseReturned e -> {
        out.octet(LEASE_RETURNED);
        out.number(e.lease());
        out.number(e.atUs());
      }
      case Event.JobEnded e -> {
        out.octet(JOB_ENDED);
        out.number(e.job());
        out.choice(e.state(), JOB_STATES);
        out.text(e.reason());
        out.number(e.refund());
        out.number(e.atUs());
      }
      case Event.ProviderJoined e -> {
        boolean withGpus = e.offer().gpus().any();
        out.octet(withGpus ? PROVIDER_JOINED_GPUS : PROVIDER_JOINED);
        writeOffer(out, e.offer());
        out.sharedHash(e.offerHash());
        out.text(e.signature());
        out.number(e.session());
        out.number(e.atUs());
        if (withGpus) {
          writeOfferedGpus(out, e.offer());
        }
      }
      case Event.ProviderDraining e -> {
        out.octet(PROVIDER_DRAINING);
        out.sharedAddress(e.provider());
        out.number(e.atUs());
      }
      case Event.ProviderGone e -> {
        out.octet(PROVIDER_GONE);
        out.sharedAddress(e.provider());
        out.text(e.reason());
        out.number(e.atUs());
      }
      case Event.Refused e -> {
        out.octet(REFUSED);
        out.sharedText(e.what());
        out.sharedAddress(e.by());
        out.choice(e.rejection().code(), CODES);
        out.text(e.rejection().message());
        out.number(e.atUs());
      }
      case Event.ModelPublished e -> {
        out.octet(MODEL_PUBLISHED);
        writeModel(out, e.model());
        out.hash(e.modelHash());
        out.text(e.signature());
        out.number(e.atUs());
      }
      case Event.ModelWithdrawn e -> {
        out.octet(MODEL_WITHDRAWN);
        out.sharedHash(e.manifest());
        out.number(e.atUs());
      }
      case Event.ModelsOffered e -> {
        out.octet(MODELS_OFFERED);
        out.sharedAddress(e.provider());
        out.number(e.offers().size());
        for (SignedModelOffer offer : e.offers()) {
          writeModelOffer(out, offer);
        }
        out.number(e.atUs());
      }
      case Event.TabFilled e -> {
        out.octet(TAB_FILLED);
        out.sharedAddress(e.consumer());
        out.number(e.amount());
        out.number(e.atUs());
      }
      case Event.TabEmptied e -> {
        out.octet(TAB_EMPTIED);
        out.sharedAddress(e.consumer());
        out.number(e.amount());
        out.number(e.atUs());
      }
      case Event.InferenceRecorded e -> {
        out.octet(INFERENCE_RECORDED);
        EntryCodec.writeWithInference(out, e.entry());
      }
      case Event.ApiKeyMade e -> {
        out.octet(API_KEY_MADE);
        out.sharedAddress(e.account());
        out.hash(e.keyHash());
        out.text(e.name());
        out.number(e.atUs());
      }
      case Event.ApiKeyRevoked e -> {
        out.octet(API_KEY_REVOKED);
        out.hash(e.keyHash());
        out.number(e.atUs());
      }
      case Event.Audited e -> {
        out.octet(AUDITED);
        Conducts.write(out, e.note());
        out.number(e.atUs());
      }
      case Event.AuditsFunded e -> {
        out.octet(AUDITS_FUNDED);
        out.sharedAddress(e.account());
        out.number(e.amount());
        out.number(e.atUs());
      }
      case Event.AuditsClosed e -> {
        out.octet(AUDITS_CLOSED);
        out.sharedAddress(e.account());
        out.number(e.amount());
        out.number(e.atUs());
      }
      case Event.ScopedKeyMade e -> {
        out.octet(SCOPED_KEY_MADE);
        out.sharedAddress(e.account());
        out.hash(e.keyHash());
        out.text(e.name());
        e.rights().write(out);
        out.octet(e.parent().isPresent() ? 1 : 0);
        e.parent().ifPresent(out::sharedHash);
        out.number(e.atUs());
      }
      case Event.ApiKeySpent e -> {
        out.octet(API_KEY_SPENT);
        out.number(e.keys().size());
        e.keys().forEach(out::sharedHash);
        out.number(e.amount());
        out.number(e.atUs());
      }
      case Event.MoneyAdopted e -> {
        out.octet(MONEY_ADOPTED);
        writeMoney(out, e.money());
        out.number(e.purses().size());
        for (ChainPurse purse : e.purses()) {
          writePurse(out, purse);
        }
        out.number(e.block());
        out.number(e.blockUs());
        out.number(e.atUs());
      }
      case Event.VoucherTaken e -> {
        out.octet(VOUCHER_TAKEN);
        writeVoucher(out, e.voucher());
        out.number(e.atUs());
      }
      case Event.PurseSeen e -> {
        out.octet(PURSE_SEEN);
        writePurse(out, e.purse());
        out.number(e.block());
        out.number(e.atUs());
      }
      case Event.PaidSeen e -> {
        out.octet(PAID_SEEN);
        out.sharedAddress(e.payee());
        out.number(e.total());
        out.number(e.block());
        out.number(e.atUs());
      }
      case Event.BlockSeen e -> {
        out.octet(BLOCK_SEEN);
        out.number(e.block());
        out.number(e.blockUs());
        out.number(e.atUs());
      }
      case Event.PaymentTaken e -> {
        out.octet(PAYMENT_TAKEN);
        out.sharedAddress(e.payer());
        out.number(e.amount());
        out.hash(e.payment());
        out.number(e.atUs());
      }
      case Event.PaymentReturned e -> {
        out.octet(PAYMENT_RETURNED);
        out.sharedAddress(e.payer());
        out.number(e.amount());
        out.number(e.atUs());
      }
      case Event.PaymentReversed e -> {
        out.octet(PAYMENT_REVERSED);
        out.sharedAddress(e.payer());
        out.hash(e.payment());
        out.number(e.amount());
        out.number(e.left());
        out.number(e.atUs());
      }
      case Event.ExcessReturned e -> {
        out.octet(EXCESS_RETURNED);
        out.sharedAddress(e.consumer());
        out.number(e.amount());
        out.number(e.atUs());
      }
      case Event.EpochClosed e -> {
        out.octet(EPOCH_CLOSED);
        writeEpoch(out, e.epoch());
      }
      case Event.EpochConfirmed e -> {
        out.octet(EPOCH_CONFIRMED);
        out.number(e.epoch());
        out.number(e.redeemed());
        writeAddresses(out, e.skipped());
        writeAddresses(out, e.failedPushes());
        out.hash(e.txHash());
        out.number(e.block());
        out.number(e.gas());
        out.number(e.atUs());
      }
      case Event.EpochReopened e -> {
        out.octet(EPOCH_REOPENED);
        out.number(e.epoch());
        writeAddresses(out, e.denied());
        out.text(e.reason());
        out.number(e.atUs());
      }
      case Event.ExitAsked e -> {
        out.octet(EXIT_ASKED);
        out.sharedAddress(e.consumer());
        out.number(e.leavingAtUs());
        out.number(e.atUs());
      }
      case Event.ExitCancelled e -> {
        out.octet(EXIT_CANCELLED);
        out.sharedAddress(e.consumer());
        out.number(e.atUs());
      }
      case Event.Exited e -> {
        out.octet(EXITED);
        out.sharedAddress(e.consumer());
        out.number(e.amount());
        out.number(e.atUs());
      }
    }
  }

  private static Event read(In in) {
    int tag = in.octet();
    return switch (tag) {
      case GRANTED -> new Event.Granted(in.sharedAddress(), in.number(), in.text(), in.number());
      case JOB_ACCEPTED -> new Event.JobAccepted(JobCodec.read(in), in.text(), in.number());
      case TASK_ASSIGNED ->
          new Event.TaskAssigned(
              in.number(),
              in.integer(),
              in.integer(),
              in.integer(),
              in.sharedAddress(),
              in.number(),
              in.number());
      case BATCH_SIGNED -> new Event.BatchSigned(readBatch(in));
      case ATTEMPT_ENDED -> new Event.AttemptEnded(EntryCodec.read(in), in.choice(NEXT));
      case ATTEMPT_ENDED_GPUS -> {
        Entry entry = EntryCodec.read(in);
        Event.Next next = in.choice(NEXT);
        yield new Event.AttemptEnded(entry.with(readSomeGpus(in)), next);
      }
      case CHECK_DRAWN ->
          new Event.CheckDrawn(
              in.number(), in.choice(CHECK_REASONS), in.integer(), in.integer(), in.number());
      case TASK_JUDGED ->
          new Event.TaskJudged(
              in.integer(), in.integer(), readNumbers(in), readNumbers(in), in.flag(), in.number());
      case RESULTS_DOUBTED ->
          new Event.ResultsDoubted(in.integer(), in.address(), in.number(), in.number());
      case JOB_REOPENED -> new Event.JobReopened(in.integer(), in.number(), in.number());
      case NETWORK_SEEN -> new Event.NetworkSeen(in.sharedAddress(), in.sharedText(), in.number());
      case PLATFORM_SEEN ->
          new Event.PlatformSeen(in.sharedAddress(), readPlatform(in), in.number());
      case OPERATOR_SEEN ->
          new Event.OperatorSeen(in.sharedAddress(), readOperator(in), in.number());
      case CARBON_SEEN -> new Event.CarbonSeen(in.sharedAddress(), readGPerKwh(in), in.number());
      case BOND_SEEN -> new Event.BondSeen(in.sharedAddress(), readBond(in), in.number());
      case PENALTY_SEEN -> new Event.PenaltySeen(in.sharedAddress(), in.number(), in.number());
      case RESULTS_COMPARED ->
          new Event.ResultsCompared(
              in.integer(), in.integer(), in.number(), in.number(), in.text(), in.number());
      case CAPACITY_ASKED -> new Event.CapacityAsked(in.number(), in.sharedAddress(), in.number());
      case CAPACITY_MEASURED ->
          new Event.CapacityMeasured(
              in.number(), in.sharedAddress(), readCapacity(in), in.number());
      case CAPACITY_MEASURED_GPUS -> {
        var e =
            new Event.CapacityMeasured(
                in.number(), in.sharedAddress(), readCapacity(in), in.number());
        Capacity capacity = readShownGpus(in, e.capacity());
        if (!capacity.hasGpus()) {
          throw in.malformed("a capacity that could have been written shorter");
        }
        yield new Event.CapacityMeasured(e.id(), e.provider(), capacity, e.nextUs());
      }
      case LEASE_RETURNED -> new Event.LeaseReturned(in.number(), in.number());
      case JOB_ENDED ->
          new Event.JobEnded(
              in.integer(), in.choice(JOB_STATES), in.text(), in.number(), in.number());
      case PROVIDER_JOINED ->
          new Event.ProviderJoined(
              readOffer(in), in.sharedHash(), in.text(), in.number(), in.number());
      case PROVIDER_JOINED_GPUS -> {
        var e =
            new Event.ProviderJoined(
                readOffer(in), in.sharedHash(), in.text(), in.number(), in.number());
        Offer offer = readOfferedGpus(in, e.offer());
        if (!offer.gpus().any()) {
          throw in.malformed("an offer that could have been written shorter");
        }
        yield new Event.ProviderJoined(offer, e.offerHash(), e.signature(), e.session(), e.atUs());
      }
      case PROVIDER_DRAINING -> new Event.ProviderDraining(in.sharedAddress(), in.number());
      case PROVIDER_GONE -> new Event.ProviderGone(in.sharedAddress(), in.text(), in.number());
      case REFUSED ->
          new Event.Refused(
              in.sharedText(),
              in.sharedAddress(),
              new Rejection(in.choice(CODES), in.text()),
              in.number());
      case MODEL_PUBLISHED ->
          new Event.ModelPublished(readModel(in), in.hash(), in.text(), in.number());
      case MODEL_WITHDRAWN -> new Event.ModelWithdrawn(in.sharedHash(), in.number());
      case MODELS_OFFERED ->
          new Event.ModelsOffered(in.sharedAddress(), readModelOffers(in), in.number());
      case TAB_FILLED -> new Event.TabFilled(in.sharedAddress(), in.number(), in.number());
      case TAB_EMPTIED -> new Event.TabEmptied(in.sharedAddress(), in.number(), in.number());
      case INFERENCE_RECORDED -> new Event.InferenceRecorded(EntryCodec.readWithInference(in));
      case API_KEY_MADE ->
          new Event.ApiKeyMade(in.sharedAddress(), in.hash(), in.text(), in.number());
      case API_KEY_REVOKED -> new Event.ApiKeyRevoked(in.hash(), in.number());
      case AUDITED -> new Event.Audited(Conducts.note(in), in.number());
      case AUDITS_FUNDED -> new Event.AuditsFunded(in.sharedAddress(), in.number(), in.number());
      case AUDITS_CLOSED -> new Event.AuditsClosed(in.sharedAddress(), in.number(), in.number());
      case SCOPED_KEY_MADE ->
          new Event.ScopedKeyMade(
              in.sharedAddress(),
              in.hash(),
              in.text(),
              Rights.read(in),
              in.flag() ? Optional.of(in.sharedHash()) : Optional.empty(),
              in.number());
      case API_KEY_SPENT -> new Event.ApiKeySpent(readHashes(in), in.number(), in.number());
      case MONEY_ADOPTED ->
          new Event.MoneyAdopted(
              readMoney(in), readPurses(in), in.number(), in.number(), in.number());
      case VOUCHER_TAKEN -> new Event.VoucherTaken(readVoucher(in), in.number());
      case PURSE_SEEN -> new Event.PurseSeen(readPurse(in), in.number(), in.number());
      case PAID_SEEN ->
          new Event.PaidSeen(in.sharedAddress(), in.number(), in.number(), in.number());
      case BLOCK_SEEN -> new Event.BlockSeen(in.number(), in.number(), in.number());
      case PAYMENT_TAKEN ->
          new Event.PaymentTaken(in.sharedAddress(), in.number(), in.hash(), in.number());
      case PAYMENT_RETURNED ->
          new Event.PaymentReturned(in.sharedAddress(), in.number(), in.number());
      case PAYMENT_REVERSED ->
          new Event.PaymentReversed(
              in.sharedAddress(), in.hash(), in.number(), in.number(), in.number());
      case EXCESS_RETURNED ->
          new Event.ExcessReturned(in.sharedAddress(), in.number(), in.number());
      case EPOCH_CLOSED -> new Event.EpochClosed(readEpoch(in));
      case EPOCH_CONFIRMED ->
          new Event.EpochConfirmed(
              in.number(),
              in.number(),
              readAddresses(in),
              readAddresses(in),
              in.hash(),
              in.number(),
              in.number(),
              in.number());
      case EPOCH_REOPENED ->
          new Event.EpochReopened(in.number(), readAddresses(in), in.text(), in.number());
      case EXIT_ASKED -> new Event.ExitAsked(in.sharedAddress(), in.number(), in.number());
      case EXIT_CANCELLED -> new Event.ExitCancelled(in.sharedAddress(), in.number());
      case EXITED -> new Event.Exited(in.sharedAddress(), in.number(), in.number());
      default -> throw in.malformed("no event has the tag " + tag);
    };
  }

  static void writeOperator(Out out, Optional<Address> operator) {
    out.octet(operator.isPresent() ? 1 : 0);
    operator.ifPresent(out::address);
  }

  static void writeBond(Out out, Bond bond) {
    out.number(bond.amount());
    writeOperator(out, bond.funder());
    out.number(bond.sinceUs());
  }

  static Bond readBond(In in) {
    return new Bond(in.number(), readOperator(in), in.number());
  }

  static Optional<Address> readOperator(In in) {
    return in.flag() ? Optional.of(in.address()) : Optional.empty();
  }

  private static OptionalInt readGPerKwh(In in) {
    int above = in.integer();
    return above == 0 ? OptionalInt.empty() : OptionalInt.of(above - 1);
  }

  static void writePlatform(Out out, Optional<Platform> platform) {
    out.octet(platform.isPresent() ? 1 : 0);
    platform.ifPresent(p -> out.choice(p, PLATFORMS));
  }

  static Optional<Platform> readPlatform(In in) {
    return in.flag() ? Optional.of(in.choice(PLATFORMS)) : Optional.empty();
  }

  static void writeNumbers(Out out, List<Long> numbers) {
    out.number(numbers.size());
    numbers.forEach(out::number);
  }

  static List<Long> readNumbers(In in) {
    int count = in.count();
    List<Long> numbers = in.list(count);
    for (int i = 0; i < count; i++) {
      numbers.add(in.number());
    }
    return List.copyOf(numbers);
  }

  private static List<Hash> readHashes(In in) {
    int count = in.count();
    List<Hash> hashes = in.list(count);
    for (int i = 0; i < count; i++) {
      hashes.add(in.sharedHash());
    }
    return List.copyOf(hashes);
  }

  static void writeMoney(Out out, Money money) {
    switch (money) {
      case Money.Credits c -> out.octet(c.vouched() ? VOUCHED_CREDITS : CREDITS);
      case Money.Escrow e -> {
        out.octet(ESCROW);
        out.number(e.chainId());
        out.sharedAddress(e.contract());
        out.sharedAddress(e.token());
        out.sharedAddress(e.pool());
      }
    }
  }

  static Money readMoney(In in) {
    int kind = in.octet();
    return switch (kind) {
      case CREDITS -> new Money.Credits(false);
      case VOUCHED_CREDITS -> new Money.Credits(true);
      case ESCROW ->
          new Money.Escrow(in.number(), in.sharedAddress(), in.sharedAddress(), in.sharedAddress());
      default -> throw in.malformed("no money is of kind " + kind);
    };
  }

  private static void writePurse(Out out, ChainPurse p) {
    out.sharedAddress(p.consumer());
    out.number(p.funded());
    out.number(p.spent());
    out.number(p.leavingAtUs());
  }

  private static ChainPurse readPurse(In in) {
    return new ChainPurse(in.sharedAddress(), in.number(), in.number(), in.number());
  }

  private static List<ChainPurse> readPurses(In in) {
    int count = in.count();
    List<ChainPurse> purses = in.list(count);
    for (int i = 0; i < count; i++) {
      purses.add(readPurse(in));
    }
    return List.copyOf(purses);
  }

  private static void writeVoucher(Out out, Voucher v) {
    out.sharedAddress(v.consumer());
    out.number(v.cumulative());
    out.text(v.signature());
  }

  private static Voucher readVoucher(In in) {
    return new Voucher(in.sharedAddress(), in.number(), in.text());
  }

  private static void writeAddresses(Out out, List<Address> addresses) {
    out.number(addresses.size());
    for (Address address : addresses) {
      out.sharedAddress(address);
    }
  }

  private static List<Address> readAddresses(In in) {
    int count = in.count();
    List<Address> addresses = in.list(count);
    for (int i = 0; i < count; i++) {
      addresses.add(in.sharedAddress());
    }
    return List.copyOf(addresses);
  }

  static void writeEpoch(Out out, Epoch e) {
    out.number(e.number());
    out.number(e.vouchers().size());
    for (Voucher voucher : e.vouchers()) {
      writeVoucher(out, voucher);
    }
    out.number(e.payouts().size());
    for (Payout payout : e.payouts()) {
      out.sharedAddress(payout.payee());
      out.number(payout.cumulative());
      out.octet(payout.pushed() ? 1 : 0);
    }
    out.number(e.recordsSize());
    out.hash(e.recordsRoot());
    out.number(e.leastEarned());
    out.number(e.closedUs());
  }

  static Epoch readEpoch(In in) {
    long number = in.number();
    int count = in.count();
    List<Voucher> vouchers = in.list(count);
    for (int i = 0; i < count; i++) {
      vouchers.add(readVoucher(in));
    }
    count = in.count();
    List<Payout> payouts = in.list(count);
    for (int i = 0; i < count; i++) {
      payouts.add(new Payout(in.sharedAddress(), in.number(), in.flag()));
    }
    return new Epoch(
        number,
        List.copyOf(vouchers),
        List.copyOf(payouts),
        in.number(),
        in.hash(),
        in.number(),
        in.number());
  }

  private static void writeBatch(Out out, SignedBatch batch) {
    out.number(batch.number());
    out.sharedAddress(batch.provider());
    out.number(batch.digests().size());
    for (Hash digest : batch.digests()) {
      out.hash(digest);
    }
    out.text(batch.signature());
  }

  private static SignedBatch readBatch(In in) {
    long number = in.number();
    Address provider = in.sharedAddress();
    int count = in.count();
    List<Hash> digests = in.list(count);
    for (int i = 0; i < count; i++) {
      digests.add(in.hash());
    }
    return new SignedBatch(number, provider, List.copyOf(digests), in.text());
  }

  static void writeModel(Out out, Model m) {
    out.sharedAddress(m.author());
    out.text(m.name());
    out.text(m.version());
    out.sharedHash(m.manifest());
    out.choice(m.task(), MODEL_TASKS);
    out.text(m.format());
    out.text(m.quantisation());
    out.number(m.parameters());
    out.number(m.contextTokens());
    out.text(m.licence());
    out.number(m.royaltyPermille());
    out.number(m.madeUs());
  }

  static Model readModel(In in) {
    return new Model(
        in.sharedAddress(),
        in.text(),
        in.text(),
        in.sharedHash(),
        in.choice(MODEL_TASKS),
        in.text(),
        in.text(),
        in.number(),
        in.integer(),
        in.text(),
        in.integer(),
        in.number());
  }

  static void writeModelOffer(Out out, SignedModelOffer signed) {
    ModelOffer o = signed.offer();
    out.sharedAddress(o.provider());
    out.sharedHash(o.model());
    out.text(o.region());
    out.text(o.quantisation());
    out.text(o.backend());
    out.number(o.price().perMillionPrompt());
    out.number(o.price().perMillionCached());
    out.number(o.price().perMillionCompletion());
    out.number(o.price().perMillionRows());
    out.number(o.price().perMillionRequests());
    out.number(o.royaltyPermille());
    out.number(o.poolPermille());
    out.number(o.parallel());
    out.number(o.contextTokens());
    out.choice(o.policy(), POLICIES);
    out.octet(o.sealKey().isPresent() ? 1 : 0);
    o.sealKey().ifPresent(out::hash);
    out.text(o.endpoint());
    out.number(o.madeUs());
    out.sharedHash(signed.hash());
    out.text(signed.signature());
  }

  static SignedModelOffer readModelOffer(In in) {
    ModelOffer offer =
        new ModelOffer(
            in.sharedAddress(),
            in.sharedHash(),
            in.text(),
            in.text(),
            in.text(),
            new TokenPrice(in.number(), in.number(), in.number(), in.number(), in.number()),
            in.integer(),
            in.integer(),
            in.integer(),
            in.integer(),
            in.choice(POLICIES),
            in.flag() ? Optional.of(in.hash()) : Optional.empty(),
            in.text(),
            in.number());
    return new SignedModelOffer(offer, in.sharedHash(), in.text());
  }

  private static List<SignedModelOffer> readModelOffers(In in) {
    int count = in.count();
    List<SignedModelOffer> offers = in.list(count);
    for (int i = 0; i < count; i++) {
      offers.add(readModelOffer(in));
    }
    return List.copyOf(offers);
  }

  /// All but its GPUs.
  static void writeCapacity(Out out, Capacity c) {
    out.number(c.atUs());
    out.number(c.cores());
    out.number(c.memoryBytes());
    out.number(c.stepsPerS());
    out.text(c.problem());
  }

  static Capacity readCapacity(In in) {
    return new Capacity(in.number(), in.integer(), in.number(), in.number(), in.text());
  }

  static void writeGpus(Out out, Gpus gpus) {
    out.number(gpus.count());
    out.number(gpus.memoryBytes());
  }

  static Gpus readGpus(In in) {
    int count = in.integer();
    Gpus gpus = new Gpus(count, in.number());
    if (!gpus.any() && gpus.memoryBytes() != 0) {
      throw in.malformed("memory of no GPU");
    }
    return gpus;
  }

  /// GPUs that stand only where there are any.
  static Gpus readSomeGpus(In in) {
    Gpus gpus = readGpus(in);
    if (!gpus.any()) {
      throw in.malformed("no GPU where there are some");
    }
    return gpus;
  }

  static void writeShownGpus(Out out, Capacity c) {
    writeGpus(out, c.gpus());
    out.number(c.gpuStepsPerS());
  }

  static Capacity readShownGpus(In in, Capacity c) {
    Gpus gpus = readGpus(in);
    return new Capacity(
        c.atUs(), c.cores(), c.memoryBytes(), gpus, c.stepsPerS(), in.number(), c.problem());
  }

  static void writeOfferedGpus(Out out, Offer o) {
    writeGpus(out, o.gpus());
    out.number(o.price().perGpuSecond());
  }

  static Offer readOfferedGpus(In in, Offer o) {
    Gpus gpus = readGpus(in);
    return o.with(gpus, in.number());
  }

  /// All but its GPUs.
  static void writeOffer(Out out, Offer o) {
    out.sharedAddress(o.provider());
    out.text(o.name());
    out.text(o.machine());
    out.text(o.region());
    out.number(o.cores());
    out.number(o.memoryBytes());
    out.number(o.price().perBillionGas());
    out.number(o.price().perGbSecond());
    out.number(o.price().perGb());
    out.optional(o.capability().cpuOpsPerS());
    out.optional(o.capability().memoryBytesPerS());
    out.optional(o.capability().gasPerS());
    out.number(o.madeUs());
  }

  static Offer readOffer(In in) {
    return new Offer(
        in.sharedAddress(),
        in.text(),
        in.text(),
        in.text(),
        in.integer(),
        in.number(),
        new Price(in.number(), in.number(), in.number()),
        new Capability(in.optional(), in.optional(), in.optional()),
        in.number());
  }
}
