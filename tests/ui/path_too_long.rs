mod a_module_with_a_name_that_is_rather_long_but_not_too_long_by_itself {
    use ringway::prelude::*;

    #[derive(Message, Clone, Copy, Pod, Zeroable)]
    #[message(move)]
    #[repr(C)]
    struct ATypeWithANameThatIsRatherLongButNotTooLongByItself {
        amount: u64,
    }
}

fn main() {}
