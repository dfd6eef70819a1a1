package dev.perseid.gateway;

import dev.perseid.core.Address;
import dev.perseid.inference.Request;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/// A till that takes what a test lets it take: a byte of the prompt costs one, a token two.
final class ScriptedTill implements Till {
  static final Address TOKEN = new Address(1, 1, 1);
  static final Address POOL = new Address(2, 2, 2);
  static final Way EXACT = new Way.Exact("eip155:31337", TOKEN, POOL, 7, "Test Dollar", "1", 120);
  static final Way VOUCHERS =
      new Way.Vouchers("eip155:31337", TOKEN.toString(), POOL, 31_337, new Address(3, 3, 3));

  /// What a till does with a payment.
  interface Script {
    void take(Payment payment, long price, Payee payee);
  }

  /// What it takes.
  volatile List<Way> open = List.of(VOUCHERS, EXACT);

  volatile Script script = (payment, price, payee) -> payee.paid(new Slip(this, price));

  /// A microcredit for each byte, by default.
  volatile long perByte = 1;

  /// Payments that were taken, or were to be.
  final List<Payment> payments = new CopyOnWriteArrayList<>();

  /// Requests whose payment was taken and that are over.
  final AtomicInteger over = new AtomicInteger();

  /// A payment that was taken.
  record Slip(ScriptedTill till, long price) implements Paid {
    @Override
    public String transaction() {
      return "0xabc";
    }

    @Override
    public OptionalLong settled() {
      return OptionalLong.of(price);
    }

    @Override
    public OptionalLong spent() {
      return OptionalLong.of(1_014);
    }

    @Override
    public void over() {
      till.over.incrementAndGet();
    }
  }

  @Override
  public List<Way> ways() {
    return open;
  }

  @Override
  public Size size(Request request, boolean exactly) {
    return new Size(request.body().length * perByte, 0);
  }

  @Override
  public long most(Market.Listing listing, Size size, long maxTokens) {
    return size.prompt() + 2 * maxTokens;
  }

  @Override
  public void take(Way way, Payment payment, long price, Payee payee) {
    payments.add(payment);
    script.take(payment, price, payee);
  }
}
