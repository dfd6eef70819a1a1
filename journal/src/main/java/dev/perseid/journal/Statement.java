package dev.perseid.journal;

import dev.perseid.core.Address;
import dev.perseid.core.JobId;
import dev.perseid.core.Movement;
import java.io.IOException;
import java.io.Writer;
import java.time.Instant;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What moved on one account in a period, with its sums, checked: each movement says what the
/// account holds after it, and that must follow from what it held before.
///
/// @param account whose
/// @param lines in order
/// @param before what it held before the first of them; nothing if there are none
/// @param after what it holds after the last
public record Statement(
    Address account, List<Movement> lines, Movement.Holding before, Movement.Holding after) {
  /// The columns of the CSV form, in order. New ones are appended at the end only.
  private static final List<String> COLUMNS =
      List.of(
          "number",
          "time",
          "at_us",
          "kind",
          "from",
          "to",
          "amount_microcredits",
          "change_microcredits",
          "free_after",
          "reserved_after",
          "due_after",
          "job",
          "task",
          "record_index",
          "epoch",
          "tx",
          "block",
          "payment",
          "memo",
          "receipts");

  /// The books do not add up; the message says where.
  public static final class Wrong extends Exception {
    Wrong(String message) {
      super(message, null, false, false);
    }
  }

  /// Makes a statement of movements that all name the account.
  ///
  /// @throws Wrong if what an account is said to hold does not follow from what moved
  public static Statement of(Address account, List<Movement> lines) throws Wrong {
    Movement.Holding before = Movement.Holding.NONE;
    Movement.Holding now = Movement.Holding.NONE;
    long number = -1;
    for (int i = 0; i < lines.size(); i++) {
      Movement m = lines.get(i);
      Movement.Holding then = holding(account, m);
      long change = change(account, m);
      if (m.number() <= number) {
        throw new Wrong("movement " + m.number() + " comes after movement " + number);
      }
      number = m.number();
      if (i == 0) {
        before = before(account, m);
      } else if (total(then) != total(now) + change) {
        throw new Wrong(
            "movement "
                + m.number()
                + " ("
                + m.kind()
                + " of "
                + m.amount()
                + ") leaves "
                + total(then)
                + " microcredits in the account, but before it there were "
                + total(now));
      }
      now = then;
    }
    return new Statement(account, List.copyOf(lines), before, now);
  }

  /// What the account held before a movement: as far as it can be told, all of it free.
  private static Movement.Holding before(Address account, Movement m) {
    Movement.Holding then = holding(account, m);
    return new Movement.Holding(then.free() - change(account, m), then.reserved(), then.due());
  }

  /// What an account holds after a movement.
  public static Movement.Holding holding(Address account, Movement m) {
    return m.to().equals(account) ? m.toAfter() : m.fromAfter();
  }

  private static long total(Movement.Holding h) {
    return h.free() + h.reserved() + h.due();
  }

  /// All that the account holds less what it held before.
  public long change() {
    long sum = 0;
    for (Movement m : lines) {
      sum += change(account, m);
    }
    return sum;
  }

  /// By how much a movement changes what the account holds in all.
  public static long change(Address account, Movement m) {
    return switch (m.kind()) {
      case VOUCHER, REDEEMED, LOSS -> 0;
      case GRANT,
          DEPOSIT,
          PREPAYMENT,
          RESERVATION,
          REFUND,
          CHARGE,
          ROYALTY,
          SHARE,
          AUDIT,
          PAYOUT,
          RETURN,
          EXCESS,
          EXIT,
          REPAID,
          MOVED,
          REVERSAL,
          CLAWBACK ->
          (m.to().equals(account) ? m.amount() : 0) - (m.from().equals(account) ? m.amount() : 0);
    };
  }

  /// The sum of each kind's amounts, of those that gave to the account.
  public Map<Movement.Kind, Long> in() {
    return sums(true);
  }

  /// The sum of each kind's amounts, of those that took from the account, or moved within it.
  public Map<Movement.Kind, Long> out() {
    return sums(false);
  }

  private Map<Movement.Kind, Long> sums(boolean in) {
    Map<Movement.Kind, Long> sums = new EnumMap<>(Movement.Kind.class);
    for (Movement m : lines) {
      boolean gives = m.to().equals(account) && !m.from().equals(account);
      if (gives == in && m.kind() != Movement.Kind.VOUCHER) {
        sums.merge(m.kind(), m.amount(), Long::sum);
      }
    }
    return sums;
  }

  /// Writes the statement as CSV (RFC 4180), with a heading.
  public void csv(Writer out) throws IOException {
    out.write(String.join(",", COLUMNS));
    out.write("\r\n");
    for (Movement m : lines) {
      out.write(String.join(",", cells(m).stream().map(CsvTable::quoted).toList()));
      out.write("\r\n");
    }
  }

  private List<String> cells(Movement m) {
    Movement.Holding then = holding(account, m);
    List<String> cells =
        new ArrayList<>(
            List.of(
                "" + m.number(),
                time(m.atUs()),
                "" + m.atUs(),
                word(m.kind()),
                name(m.from()),
                name(m.to()),
                "" + m.amount(),
                "" + change(account, m),
                "" + then.free(),
                "" + then.reserved(),
                "" + then.due()));
    cells.add(job(m.ref()).map(JobId::toString).orElse(""));
    cells.add(m.ref() instanceof Movement.Ref.OfRecord r ? harmless(r.task()) : "");
    cells.add(m.ref() instanceof Movement.Ref.OfRecord r ? "" + r.index() : "");
    cells.add(m.ref() instanceof Movement.Ref.OfEpoch e ? "" + e.epoch() : "");
    cells.add(m.ref() instanceof Movement.Ref.OfEpoch e ? "0x" + e.txHash().hex() : "");
    cells.add(m.ref() instanceof Movement.Ref.OfBlock b ? "" + b.block() : "");
    cells.add(m.ref() instanceof Movement.Ref.OfPayment p ? "0x" + p.payment().hex() : "");
    cells.add(m.ref() instanceof Movement.Ref.OfMemo memo ? harmless(memo.memo()) : "");
    cells.add(m.ref() instanceof Movement.Ref.OfRecord r ? receipts(r.job()) : "");
    return cells;
  }

  /// The file in which `perseid receipts` puts the receipts of a job.
  public static String receipts(JobId job) {
    return "receipts-" + job.toString().substring(0, 8) + ".jsonl";
  }

  /// What somebody else wrote, so that no spreadsheet takes it for a formula.
  private static String harmless(String text) {
    return !text.isEmpty() && "=+-@\t\r".indexOf(text.charAt(0)) >= 0 ? "'" + text : text;
  }

  private static String name(Address account) {
    return account.equals(Address.ZERO) ? "" : account.toString();
  }

  /// The job that a movement belongs to.
  public static Optional<JobId> job(Movement.Ref ref) {
    return switch (ref) {
      case Movement.Ref.OfJob j -> Optional.of(j.job());
      case Movement.Ref.OfRecord r -> Optional.of(r.job());
      case Movement.Ref.OfTab _,
          Movement.Ref.OfEpoch _,
          Movement.Ref.OfBlock _,
          Movement.Ref.OfPayment _,
          Movement.Ref.OfMemo _ ->
          Optional.empty();
    };
  }

  /// A kind's word in files: lower case.
  public static String word(Movement.Kind kind) {
    return kind.name().toLowerCase(java.util.Locale.ROOT);
  }

  private static String time(long us) {
    return Instant.ofEpochSecond(us / 1_000_000, us % 1_000_000 * 1_000).toString();
  }
}
