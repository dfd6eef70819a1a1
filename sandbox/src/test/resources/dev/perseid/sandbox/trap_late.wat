;; Works for a million turns, then divides by zero: what it spent must be accounted nearly in full.
(module (memory (export "memory") 1)
  (func (export "step") (result i32) (local i32)
    (loop
      (local.set 0 (i32.add (local.get 0) (i32.const 1)))
      (br_if 0 (i32.lt_u (local.get 0) (i32.const 1000000))))
    (i32.div_u (i32.const 1) (i32.const 0))))
