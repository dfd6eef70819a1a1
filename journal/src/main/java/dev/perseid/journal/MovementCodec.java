package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Movement;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.util.List;

/// A movement of money as bytes, canonically (docs/formats.md): big-endian, every field of fixed
/// length but the texts at the end.
public final class MovementCodec {
  private static final int VERSION = 1;
  private static final int FIXED = 1 + 8 + 8 + 1 + 20 + 20 + 8 + 6 * 8 + 1;

  /// The codes of kinds: a kind's place here, for ever. New ones are appended.
  private static final List<Movement.Kind> KINDS =
      List.of(
          Movement.Kind.GRANT,
          Movement.Kind.DEPOSIT,
          Movement.Kind.PREPAYMENT,
          Movement.Kind.RESERVATION,
          Movement.Kind.REFUND,
          Movement.Kind.CHARGE,
          Movement.Kind.ROYALTY,
          Movement.Kind.SHARE,
          Movement.Kind.AUDIT,
          Movement.Kind.VOUCHER,
          Movement.Kind.REDEEMED,
          Movement.Kind.PAYOUT,
          Movement.Kind.RETURN,
          Movement.Kind.EXCESS,
          Movement.Kind.EXIT,
          Movement.Kind.LOSS,
          Movement.Kind.REPAID,
          Movement.Kind.MOVED,
          Movement.Kind.REVERSAL,
          Movement.Kind.CLAWBACK);

  private static final int OF_JOB = 0;
  private static final int OF_RECORD = 1;
  private static final int OF_TAB = 2;
  private static final int OF_EPOCH = 3;
  private static final int OF_BLOCK = 4;
  private static final int OF_PAYMENT = 5;
  private static final int OF_MEMO = 6;

  private MovementCodec() {}

  /// Encodes a movement: equal ones give equal bytes.
  public static byte[] encode(Movement m) {
    byte[] text = text(m.ref()).getBytes(UTF_8);
    ByteBuffer out = ByteBuffer.allocate(FIXED + 64 + text.length);
    out.put((byte) VERSION)
        .putLong(m.number())
        .putLong(m.atUs())
        .put((byte) KINDS.indexOf(m.kind()))
        .put(m.from().bytes())
        .put(m.to().bytes())
        .putLong(m.amount());
    put(out, m.fromAfter());
    put(out, m.toAfter());
    switch (m.ref()) {
      case Movement.Ref.OfJob(JobId job) ->
          out.put((byte) OF_JOB).putLong(job.a()).putLong(job.b());
      case Movement.Ref.OfRecord(long index, JobId job, String _) ->
          out.put((byte) OF_RECORD).putLong(index).putLong(job.a()).putLong(job.b()).put(text);
      case Movement.Ref.OfTab _ -> out.put((byte) OF_TAB);
      case Movement.Ref.OfEpoch(long epoch, Hash tx) ->
          out.put((byte) OF_EPOCH).putLong(epoch).put(tx.bytes());
      case Movement.Ref.OfBlock(long block) -> out.put((byte) OF_BLOCK).putLong(block);
      case Movement.Ref.OfPayment(Hash payment) -> out.put((byte) OF_PAYMENT).put(payment.bytes());
      case Movement.Ref.OfMemo _ -> out.put((byte) OF_MEMO).put(text);
    }
    byte[] bytes = new byte[out.position()];
    out.flip().get(bytes);
    return bytes;
  }

  private static String text(Movement.Ref ref) {
    return switch (ref) {
      case Movement.Ref.OfRecord r -> r.task();
      case Movement.Ref.OfMemo m -> m.memo();
      case Movement.Ref.OfJob _,
          Movement.Ref.OfTab _,
          Movement.Ref.OfEpoch _,
          Movement.Ref.OfBlock _,
          Movement.Ref.OfPayment _ ->
          "";
    };
  }

  private static void put(ByteBuffer out, Movement.Holding h) {
    out.putLong(h.free()).putLong(h.reserved()).putLong(h.due());
  }

  /// Decodes what [#encode] made.
  ///
  /// @throws IllegalArgumentException if it is anything else
  public static Movement decode(byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes);
    try {
      int version = in.get();
      if (version != VERSION) {
        throw new IllegalArgumentException(
            "a movement of version " + version + " is not known here (this is version 1)");
      }
      long number = in.getLong();
      long atUs = in.getLong();
      int kind = in.get();
      if (kind < 0 || kind >= KINDS.size()) {
        throw new IllegalArgumentException("a movement of kind " + kind + " is not known here");
      }
      Movement m =
          new Movement(
              number,
              atUs,
              KINDS.get(kind),
              address(in),
              address(in),
              in.getLong(),
              holding(in),
              holding(in),
              ref(in));
      if (in.hasRemaining()) {
        throw new IllegalArgumentException("bytes follow the end of a movement");
      }
      return m;
    } catch (BufferUnderflowException e) {
      throw new IllegalArgumentException("a movement of " + bytes.length + " bytes is cut", e);
    }
  }

  private static Movement.Ref ref(ByteBuffer in) {
    int code = in.get();
    return switch (code) {
      case OF_JOB -> new Movement.Ref.OfJob(new JobId(in.getLong(), in.getLong()));
      case OF_RECORD ->
          new Movement.Ref.OfRecord(in.getLong(), new JobId(in.getLong(), in.getLong()), rest(in));
      case OF_TAB -> new Movement.Ref.OfTab();
      case OF_EPOCH -> new Movement.Ref.OfEpoch(in.getLong(), hash(in));
      case OF_BLOCK -> new Movement.Ref.OfBlock(in.getLong());
      case OF_PAYMENT -> new Movement.Ref.OfPayment(hash(in));
      case OF_MEMO -> new Movement.Ref.OfMemo(rest(in));
      default ->
          throw new IllegalArgumentException("a movement's reason " + code + " is not known");
    };
  }

  private static String rest(ByteBuffer in) {
    byte[] text = new byte[in.remaining()];
    in.get(text);
    return new String(text, UTF_8);
  }

  private static Hash hash(ByteBuffer in) {
    byte[] bytes = new byte[32];
    in.get(bytes);
    return Hash.of(bytes);
  }

  private static Address address(ByteBuffer in) {
    byte[] bytes = new byte[20];
    in.get(bytes);
    return Address.of(bytes);
  }

  private static Movement.Holding holding(ByteBuffer in) {
    return new Movement.Holding(in.getLong(), in.getLong(), in.getLong());
  }
}
