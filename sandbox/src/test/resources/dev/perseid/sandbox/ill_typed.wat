;; Invalid: adds a float to an int.
(module (memory (export "memory") 1) (func (export "step") (result i32) (i32.add (f32.const 1) (i32.const 1))))
