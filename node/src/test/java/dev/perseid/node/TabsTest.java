package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Rejection;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class TabsTest {
  private static final Address OWNER = new Address(1, 2, 3);

  /// An account whose movements are durable when the test says so.
  private static final class Account implements Tabs.Core {
    private final ArrayDeque<Runnable> underWay = new ArrayDeque<>();
    private long balance;
    private int fills;
    private int emptied;

    Account(long balance) {
      this.balance = balance;
    }

    @Override
    public void accept(Command command, Consumer<PoolLoop.Reply> reply) {
      underWay.add(() -> reply.accept(execute(command)));
    }

    private PoolLoop.Reply execute(Command command) {
      if (command instanceof Command.FillTab(Address _, long amount)) {
        fills++;
        if (amount > balance) {
          return new PoolLoop.Reply.Refused(
              new Rejection(Rejection.Code.INSUFFICIENT_CREDITS, "too poor"));
        }
        balance -= amount;
      } else {
        emptied++;
      }
      return new PoolLoop.Reply.Done();
    }

    void settle() {
      for (Runnable next = underWay.poll(); next != null; next = underWay.poll()) {
        next.run();
      }
    }
  }

  private final List<String> refused = new ArrayList<>();
  private int held;

  private void hold(Tabs tabs, long amount, long nowMs) {
    tabs.hold(OWNER, amount, nowMs, () -> held++, refused::add);
  }

  @Test
  void manyRequestsNeedFewMovementsAndWaitForTheFirstOnly() {
    Account account = new Account(1L << 50);
    Tabs tabs = new Tabs(account);
    hold(tabs, 1_000, 0);
    assertThat(held).isZero();
    account.settle();
    assertThat(held).isEqualTo(1);
    for (int i = 1; i < 50_000; i++) {
      hold(tabs, 1_000, i / 1_000);
      assertThat(held).as("request %d waits for nothing", i).isEqualTo(i + 1);
      tabs.ended(OWNER, 1_000, 400);
      if (i % 20 == 0) {
        account.settle();
      }
    }
    assertThat(account.fills).isLessThan(12);
    assertThat(refused).isEmpty();
  }

  @Test
  void anAccountCanUseAllItHas() {
    Account account = new Account(10_500);
    Tabs tabs = new Tabs(account);
    for (int i = 0; i < 11; i++) {
      hold(tabs, 1_000, 0);
      account.settle();
      if (i < 10) {
        tabs.ended(OWNER, 1_000, 1_000);
        tabs.recorded(OWNER, 1_000, 1_000);
      }
    }
    assertThat(held).isEqualTo(10);
    assertThat(refused).containsExactly("too poor");
  }

  @Test
  void whoIsTooPoorToBeFilledAheadIsNotRefusedWhatIsThere() {
    Account account = new Account(100_000);
    Tabs tabs = new Tabs(account);
    for (int i = 0; i < 100; i++) {
      hold(tabs, 1_000, i);
      account.settle();
      tabs.ended(OWNER, 1_000, 1_000);
    }
    assertThat(held).isEqualTo(100);
    assertThat(refused).isEmpty();
    // One for what was needed, one ahead that was refused and not tried again.
    assertThat(account.fills).isEqualTo(2);
  }

  @Test
  void aTabThatIsNotUsedIsGivenBack() {
    Account account = new Account(1_000_000);
    Tabs tabs = new Tabs(account);
    hold(tabs, 1_000, 0);
    account.settle();
    tabs.tick(2 * MarketLimits.TAB_IDLE_MS);
    assertThat(account.emptied).isZero();
    tabs.ended(OWNER, 1_000, 0);
    tabs.tick(2 * MarketLimits.TAB_IDLE_MS);
    // Who comes while it is being emptied waits until it is known what is there.
    hold(tabs, 1_000, 2 * MarketLimits.TAB_IDLE_MS);
    assertThat(held).isEqualTo(1);
    account.settle();
    assertThat(account.emptied).isEqualTo(1);
    assertThat(held).isEqualTo(2);
  }

  /// Anybody may come with a new key: who has nothing leaves nothing behind, and costs no commands.
  @Test
  void aTabThatHasNothingIsForgotten() {
    Account account = new Account(0);
    Tabs tabs = new Tabs(account);
    for (int i = 0; i < 1_000; i++) {
      tabs.hold(new Address(9, 9, i), 1_000, 0, () -> held++, refused::add);
    }
    account.settle();
    assertThat(refused).hasSize(1_000);
    assertThat(tabs.size()).isEqualTo(1_000);
    tabs.tick(MarketLimits.TAB_IDLE_MS + 1);
    tabs.tick(MarketLimits.TAB_IDLE_MS + 2);
    account.settle();
    assertThat(tabs.size()).isZero();
    assertThat(account.emptied).isZero();
  }

  @Test
  void anIdleTabIsEmptiedOnceAndForgotten() {
    Account account = new Account(1_000_000);
    Tabs tabs = new Tabs(account);
    hold(tabs, 1_000, 0);
    account.settle();
    tabs.ended(OWNER, 1_000, 0);
    for (int i = 1; i <= 20; i++) {
      tabs.tick(MarketLimits.TAB_IDLE_MS + i);
      account.settle();
    }
    assertThat(account.emptied).isEqualTo(1);
    assertThat(tabs.size()).isZero();
    // What cost nothing may be found unsigned after that.
    tabs.recorded(OWNER, 0, 0);
    hold(tabs, 1_000, 2 * MarketLimits.TAB_IDLE_MS);
    account.settle();
    assertThat(held).isEqualTo(2);
  }

  @Test
  void whoIsSettledHearsOfItThoughNothingIsThere() {
    Account account = new Account(1_000_000);
    Tabs tabs = new Tabs(account);
    tabs.settle(OWNER, 0, () -> held++);
    tabs.tick(1);
    account.settle();
    assertThat(held).isEqualTo(1);
  }
}
