#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Splits a text at its spaces. Throws `std::invalid_argument` when there is no word in it.
std::vector<std::string> tokens(std::string_view text);
