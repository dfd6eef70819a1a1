package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Command;
import dev.perseid.core.Rejection;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/// What each consumer has set aside for requests to models, and how much of it requests that run
/// hold. A request begins only when the most that it may cost is held. Safe for any thread; nothing
/// blocks.
///
/// The credits themselves are in the pool's state: a tab here mirrors the one there. What ended
/// costs counts as spent until its record is durable.
final class Tabs {
  /// Has a command executed; the reply comes on another thread when it is durable.
  interface Core extends BiConsumer<Command, Consumer<PoolLoop.Reply>> {}

  private record Waiting(long amount, Runnable held, Consumer<String> refused) {}

  /// Which command about a tab is on its way. What is in a tab that is being filled can be held
  /// meanwhile.
  private enum Motion {
    NONE,
    FILLING,
    EMPTYING
  }

  private static final class Tab {
    final Address owner;
    final ArrayDeque<Waiting> waiting = new ArrayDeque<>();
    long there;
    long held;
    long spent;
    long usedMs;

    Motion motion = Motion.NONE;

    /// All that what ended cost, as far as it was not found to cost nothing.
    long ended;

    /// Whether it gets no more than each request needs, because its owner pays for each.
    boolean each;

    /// Who waits until nothing is in it.
    final List<Runnable> settling = new ArrayList<>();

    /// What it was filled with last, and when. None is asked for ahead after a refusal.
    long filled;

    long filledMs;

    Tab(Address owner) {
      this.owner = owner;
    }

    long free() {
      return there - held - spent;
    }

    /// Whether nothing is going on with it.
    boolean isStill() {
      return motion == Motion.NONE && waiting.isEmpty() && held == 0 && spent == 0;
    }

    boolean isUnused(long nowMs) {
      return nowMs - usedMs > MarketLimits.TAB_IDLE_MS;
    }

    /// Of one that is still: whether it can be forgotten.
    boolean isOver(long nowMs) {
      return there == 0 && settling.isEmpty() && isUnused(nowMs);
    }
  }

  private final ConcurrentHashMap<Address, Tab> tabs = new ConcurrentHashMap<>();
  private final Core core;

  Tabs(Core core) {
    this.core = core;
  }

  /// Holds `amount` microcredits of a consumer's tab, filling it first if it must.
  ///
  /// @param held runs when they are held, at once or later
  /// @param refused gets the reason if they cannot be
  void hold(Address owner, long amount, long nowMs, Runnable held, Consumer<String> refused) {
    Tab tab = used(owner, nowMs);
    boolean now = false;
    boolean full = false;
    long ahead = 0;
    synchronized (tab) {
      if (tab.motion != Motion.EMPTYING && tab.waiting.isEmpty() && tab.free() >= amount) {
        tab.held += amount;
        now = true;
        if (!tab.each && tab.motion == Motion.NONE && tab.free() < tab.filled / 2) {
          ahead = fillSize(tab, amount);
          tab.motion = Motion.FILLING;
        }
      } else if (tab.waiting.size() >= MarketLimits.TAB_WAITING) {
        full = true;
      } else {
        tab.waiting.add(new Waiting(amount, held, refused));
      }
    }
    if (ahead > 0) {
      fill(tab, ahead, 0);
    }
    if (now) {
      held.run();
    } else if (full) {
      refused.accept("too many requests of this account wait to be paid for: send fewer at once");
    } else {
      serve(tab);
    }
  }

  /// The tab of an account, which stays here for [MarketLimits#TAB_IDLE_MS] from now at least.
  private Tab used(Address owner, long nowMs) {
    return tabs.compute(
        owner,
        (_, known) -> {
          Tab tab = known == null ? new Tab(owner) : known;
          synchronized (tab) {
            tab.usedMs = Math.max(tab.usedMs, nowMs);
          }
          return tab;
        });
  }

  /// What a tab is to be filled with, for requests of this size: more each time as long as it is
  /// used up within [MarketLimits#TAB_FILL_MS], so that movements are rare however many requests
  /// there are.
  private static long fillSize(Tab tab, long amount) {
    long usual = Math.max(MarketLimits.TAB_LEAST, times(amount, MarketLimits.TAB_REQUESTS));
    if (tab.filled == 0 || tab.usedMs - tab.filledMs > MarketLimits.TAB_FILL_MS) {
      return usual;
    }
    long most = Math.max(usual, times(amount, MarketLimits.TAB_REQUESTS_MOST));
    return Math.clamp(times(tab.filled, 2), usual, most);
  }

  private static long times(long amount, int factor) {
    return amount > Long.MAX_VALUE / factor ? amount : amount * factor;
  }

  /// A request has ended: its hold is over, and `charge` of it is spent.
  void ended(Address owner, long hold, long charge) {
    Tab tab = tabs.get(owner);
    if (tab == null) {
      throw new IllegalStateException("no tab of " + owner);
    }
    synchronized (tab) {
      tab.held -= hold;
      tab.spent += charge;
      tab.ended += charge;
    }
    serve(tab);
  }

  /// What was spent has been recorded.
  ///
  /// @param paid what the record took: the charge, or 0 where it was not signed
  void recorded(Address owner, long charge, long paid) {
    Tab tab = tabs.get(owner);
    if (tab == null && charge == 0) {
      return; // What costs nothing keeps no tab.
    }
    if (tab == null) {
      throw new IllegalStateException("no tab of " + owner);
    }
    synchronized (tab) {
      tab.spent -= charge;
      tab.ended -= charge - paid;
      tab.there -= paid;
    }
    serve(tab);
  }

  /// Gives back what has not been used for a while, and forgets tabs that have nothing.
  void tick(long nowMs) {
    for (Tab tab : tabs.values()) {
      boolean empty = false;
      boolean over = false;
      synchronized (tab) {
        if (tab.isStill()) {
          over = tab.isOver(nowMs);
          empty = !over && (!tab.settling.isEmpty() || tab.isUnused(nowMs));
        }
        if (empty) {
          tab.motion = Motion.EMPTYING;
        }
      }
      if (empty) {
        core.accept(new Command.EmptyTab(tab.owner), reply -> emptied(tab, reply));
      } else if (over) {
        tabs.computeIfPresent(
            tab.owner,
            (_, known) -> {
              synchronized (known) {
                return known.isStill() && known.isOver(nowMs) ? null : known;
              }
            });
      }
    }
  }

  /// How many tabs are kept.
  int size() {
    return tabs.size();
  }

  private void emptied(Tab tab, PoolLoop.Reply reply) {
    List<Runnable> settled = List.of();
    synchronized (tab) {
      tab.motion = Motion.NONE;
      if (reply instanceof PoolLoop.Reply.Done) {
        tab.there = 0;
        tab.filled = 0;
        tab.each = false;
        settled = List.copyOf(tab.settling);
        tab.settling.clear();
      }
    }
    settled.forEach(Runnable::run);
    serve(tab);
  }

  // ---- who pays for each request --------------------------------------------------------------

  /// What a consumer has set aside and not used.
  ///
  /// @param free what a request could hold at once
  /// @param unrecorded what ended and is not recorded yet
  /// @param ended all that what ended has cost since the pool started; only differences mean
  ///   something
  record Aside(long free, long unrecorded, long ended) {}

  /// What a consumer has set aside now.
  Aside aside(Address owner) {
    Tab tab = tabs.get(owner);
    if (tab == null) {
      return new Aside(0, 0, 0);
    }
    synchronized (tab) {
      boolean usable = tab.motion != Motion.EMPTYING && tab.waiting.isEmpty();
      return new Aside(usable ? Math.max(0, tab.free()) : 0, tab.spent, tab.ended);
    }
  }

  /// From now on the tab gets no more than each request needs, until it is emptied.
  void payEach(Address owner, long nowMs) {
    Tab tab = used(owner, nowMs);
    synchronized (tab) {
      tab.each = true;
    }
  }

  /// Empties a tab as soon as nothing in it is held or unrecorded.
  ///
  /// @param emptied runs then
  void settle(Address owner, long nowMs, Runnable emptied) {
    Tab tab = used(owner, nowMs);
    synchronized (tab) {
      tab.settling.add(emptied);
    }
  }

  /// Lets those go on that can, and fills the tab for the first that cannot.
  private void serve(Tab tab) {
    List<Runnable> go = new ArrayList<>();
    long fill = 0;
    long need = 0;
    synchronized (tab) {
      while (tab.motion != Motion.EMPTYING && !tab.waiting.isEmpty()) {
        Waiting first = tab.waiting.getFirst();
        if (tab.free() >= first.amount) {
          tab.waiting.removeFirst();
          tab.held += first.amount;
          go.add(first.held);
        } else if (tab.motion == Motion.NONE) {
          need = first.amount - Math.max(0, tab.free());
          fill = tab.each ? need : Math.max(need, fillSize(tab, first.amount));
          tab.motion = Motion.FILLING;
        } else {
          break;
        }
      }
    }
    go.forEach(Runnable::run);
    if (fill > 0) {
      fill(tab, fill, need);
    }
  }

  /// @param need what the first that waits needs; 0 if it is filled ahead
  private void fill(Tab tab, long amount, long need) {
    core.accept(
        new Command.FillTab(tab.owner, amount),
        reply -> {
          switch (reply) {
            case PoolLoop.Reply.Done _ -> {
              synchronized (tab) {
                tab.there += amount;
                tab.filled = amount;
                tab.filledMs = tab.usedMs;
                tab.motion = Motion.NONE;
              }
              serve(tab);
            }
            case PoolLoop.Reply.Refused(Rejection why) -> {
              boolean poor =
                  why.code() == Rejection.Code.INSUFFICIENT_CREDITS
                      || why.code() == Rejection.Code.UNCOVERED;
              if (poor && need > 0 && amount > need) {
                // A quarter of what is beyond the need, so that small accounts can use all they
                // have, and small vouchers all they cover.
                fill(tab, need + (amount - need) / 4, need);
                return;
              }
              Waiting first = null;
              synchronized (tab) {
                tab.motion = Motion.NONE;
                tab.filled = 0;
                if (need > 0) {
                  first = tab.waiting.pollFirst();
                }
              }
              if (first != null) {
                first.refused.accept(why.message());
              }
              serve(tab);
            }
          }
        });
  }
}
